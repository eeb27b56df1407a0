//! A block of rows a signature, each a permutation of width 24: the message hash, the sponge that
//! makes the leaf, the path to the root. The blocks stand in the order of the signatures.

use leansig::relation::{
    CAPACITY, DIGEST_LEN, MESSAGE_LEN, PARAMETER_LEN, Shape, tree_index, tree_tweak,
};
use p3_air::{AirBuilder, WindowAccess};
use p3_field::PrimeCharacteristicRing;
use p3_lookup::{Count, InteractionBuilder};

use super::{HASH_BUS, HASH_MESSAGE, public_column};
use crate::{
    claims::{Claims, Statement},
    field::{F, cell},
    poseidon::{COLUMNS_24, OUTPUT_24, POSEIDON_24},
};

/// Elements that the sponge takes at a time.
pub(crate) const RATE: usize = 24 - CAPACITY;
/// The position of the tweak in a node's input.
pub(crate) const NODE_TWEAK: usize = PARAMETER_LEN;
/// The position of the left child in a node's input.
pub(crate) const LEFT: usize = NODE_TWEAK + 2;
/// The position of the right child in a node's input.
pub(crate) const RIGHT: usize = LEFT + DIGEST_LEN;
/// The position of the zero in the inputs of message and nodes.
pub(crate) const ZERO: usize = 23;
/// The number of elements that are known of a message hash's input: message, parameter, tweak.
const MESSAGE_KNOWN: usize = MESSAGE_LEN + PARAMETER_LEN + 2;

/// The tag of the message hash.
pub(crate) const MESSAGE_TAG: usize = 0;
/// The tag of the sponge's first block; the others follow.
pub(crate) const FIRST_SPONGE_TAG: usize = 1;

/// The tag of the root.
pub(crate) const fn root_tag(shape: &Shape) -> usize {
    FIRST_SPONGE_TAG + sponge_rows(shape)
}

/// The signature's number.
pub(crate) const SIGNATURE: usize = COLUMNS_24;
/// 1 if the block has a signature.
pub(crate) const REAL: usize = SIGNATURE + 1;
/// The copies of the first [`COPIES`] public columns.
pub(crate) const COPY: usize = REAL + 1;
pub(crate) const WIDTH: usize = COPY + COPIES;

/// The number of public columns that have a copy.
pub(crate) const COPIES: usize = 4;
/// The public columns. A column that says where in its block a row is holds 1 in these rows.
mod public {
    /// The message hash.
    pub(super) const MESSAGE: usize = 0;
    /// The sponge.
    pub(super) const SPONGE: usize = 1;
    /// The root: the last row of the path.
    pub(super) const ROOT: usize = 2;
    /// The row's tag on the bus.
    pub(super) const TAG: usize = 3;
    /// The sponge's first row.
    pub(super) const SPONGE_FIRST: usize = 4;
    /// The sponge, and the next row is too.
    pub(super) const SPONGE_ON: usize = 5;
    /// The sponge's last row.
    pub(super) const LEAF: usize = 6;
    /// The path.
    pub(super) const PATH: usize = 7;
    /// The path, and the next row is too.
    pub(super) const PATH_ON: usize = 8;
    /// The block's last row.
    pub(super) const LAST: usize = 9;
    /// 1 if the next row, a path's, has this row's result on the right.
    pub(super) const RIGHT: usize = 10;
    /// The tweak of a path's row.
    pub(super) const TWEAK: usize = 11;
    pub(super) const COUNT: usize = TWEAK + 2;
}

/// Rows of the sponge.
pub(crate) const fn sponge_rows(shape: &Shape) -> usize {
    (PARAMETER_LEN + 2 + DIGEST_LEN * shape.dimension).div_ceil(RATE)
}

/// The first row of a block's path.
pub(crate) const fn path_row(shape: &Shape) -> usize {
    1 + sponge_rows(shape)
}

/// Rows of a block.
pub(crate) const fn block_rows(shape: &Shape) -> usize {
    (path_row(shape) + shape.log_lifetime).next_power_of_two()
}

/// The table for given claims.
#[derive(Clone, Debug)]
pub(crate) struct Hashes {
    shape: Shape,
    pub(crate) public: Vec<Vec<F>>,
}

impl Hashes {
    pub(crate) fn new(claims: &Claims, height: usize) -> Self {
        let shape = claims.shape;
        let block = block_rows(&shape);
        let mut columns = vec![Vec::new(); public::COUNT];
        // A block without a signature is as if it were of the first claim.
        let signed: usize = claims.signatures();
        let unsigned = (&claims.statements[0], height / block - signed);
        let counted = claims.statements.iter().map(|each| (each, each.keys.len()));
        let mut blocks: Vec<_> = counted.chain([unsigned]).collect();
        if let [only] = &claims.statements[..] {
            // All blocks are the same, and one stands for its repetitions.
            blocks = vec![(only, 1)];
        }
        for (statement, times) in blocks {
            let rows: Vec<_> = (0..block).map(|row| public_row(&shape, statement, row)).collect();
            for (at, column) in columns.iter_mut().enumerate() {
                for _ in 0..times {
                    column.extend(rows.iter().map(|row| row[at]));
                }
            }
        }
        Self { shape, public: columns.into_iter().map(public_column).collect() }
    }

    pub(crate) fn eval<B: InteractionBuilder<F = F>>(&self, builder: &mut B) {
        let main = builder.main();
        let (row, next) = (main.current_slice(), main.next_slice());
        let public: Vec<B::Expr> =
            builder.periodic_values().iter().map(|value| (*value).into()).collect();

        POSEIDON_24.eval(builder, row);
        for (column, value) in (COPY..).zip(&public[..COPIES]) {
            builder.assert_eq(row[column], value.clone());
        }
        self.number_blocks(builder, row, next, &public);
        self.constrain_inputs(builder, row, &public);
        self.link(builder, row, next, &public);
        self.answer(builder, row);
    }

    /// Blocks count up from zero, and have a signature or not as a whole.
    fn number_blocks<B: InteractionBuilder<F = F>>(
        &self,
        builder: &mut B,
        row: &[B::Var],
        next: &[B::Var],
        public: &[B::Expr],
    ) {
        let last = public[public::LAST].clone();
        builder.assert_bool(row[REAL]);
        builder.when_first_row().assert_zero(row[SIGNATURE]);
        builder
            .when_transition()
            .assert_eq(next[SIGNATURE], cell::<B>(row, SIGNATURE) + last.clone());
        builder.assert_zero((B::Expr::ONE - last) * (cell::<B>(next, REAL) - cell::<B>(row, REAL)));
    }

    /// Constrains the elements of a row's input that do not depend on other rows.
    fn constrain_inputs<B: InteractionBuilder<F = F>>(
        &self,
        builder: &mut B,
        row: &[B::Var],
        public: &[B::Expr],
    ) {
        let (path, message) = (public[public::PATH].clone(), public[public::MESSAGE].clone());
        builder.assert_zero((path.clone() + message) * cell::<B>(row, ZERO));
        for limb in 0..2 {
            let tweak = public[public::TWEAK + limb].clone();
            builder.assert_zero(path.clone() * (cell::<B>(row, NODE_TWEAK + limb) - tweak));
        }
        for (column, capacity) in self.shape.leaf_capacity.iter().enumerate() {
            let difference = cell::<B>(row, column) - *capacity;
            builder.assert_zero(public[public::SPONGE_FIRST].clone() * difference);
        }
    }

    /// Constrains the elements that the next row's input takes from this row.
    fn link<B: InteractionBuilder<F = F>>(
        &self,
        builder: &mut B,
        row: &[B::Var],
        next: &[B::Var],
        public: &[B::Expr],
    ) {
        let sponge = &public[public::SPONGE_ON];
        for column in 0..CAPACITY {
            let difference = cell::<B>(next, column) - row[OUTPUT_24 + column];
            builder.assert_zero(sponge.clone() * difference);
        }
        let path = &public[public::PATH_ON];
        for (before, after) in row.iter().zip(next).take(PARAMETER_LEN) {
            builder.assert_zero(path.clone() * (*after - *before));
        }
        for element in 0..DIGEST_LEN {
            let left = cell::<B>(next, LEFT + element);
            let right = cell::<B>(next, RIGHT + element);
            let child = left.clone() + public[public::RIGHT].clone() * (right - left);
            let leaf = cell::<B>(row, OUTPUT_24 + CAPACITY + element);
            builder.assert_zero(public[public::LEAF].clone() * (child.clone() - leaf));
            builder.assert_zero(path.clone() * (child - compressed::<B>(row, element)));
        }
    }

    /// Answers the lookups of the block's signature. A row is of one kind at most, so each element
    /// of the message is a sum over the kinds.
    fn answer<B: InteractionBuilder<F = F>>(&self, builder: &mut B, row: &[B::Var]) {
        let inputs =
            |first: usize, count: usize| (first..first + count).map(|at| cell::<B>(row, at));
        let outputs = |count: usize| (0..count).map(|at| compressed::<B>(row, at));
        let kinds: [(usize, Vec<B::Expr>); 3] = [
            (
                public::MESSAGE,
                inputs(0, MESSAGE_KNOWN).chain(outputs(self.shape.hash_elements)).collect(),
            ),
            (public::SPONGE, inputs(CAPACITY, RATE).collect()),
            (public::ROOT, inputs(0, PARAMETER_LEN).chain(outputs(DIGEST_LEN)).collect()),
        ];
        let is = |kind: usize| cell::<B>(row, COPY + kind);

        let mut fields = vec![is(public::TAG), cell::<B>(row, SIGNATURE)];
        for element in 0..HASH_MESSAGE - fields.len() {
            let terms = kinds.iter().filter_map(|(kind, parts)| {
                parts.get(element).map(|part| is(*kind) * part.clone())
            });
            fields.push(terms.sum());
        }
        let answers: B::Expr = kinds.iter().map(|(kind, _)| is(*kind)).sum();
        let count = Count::bounded(-(cell::<B>(row, REAL) * answers), 1);
        builder.push_interaction(HASH_BUS, fields, count);
    }
}

/// The sum of output and input.
fn compressed<B: InteractionBuilder<F = F>>(row: &[B::Var], element: usize) -> B::Expr {
    cell::<B>(row, OUTPUT_24 + element) + row[element]
}

/// The public columns of a row of a block.
fn public_row(shape: &Shape, statement: &Statement, row: usize) -> [F; public::COUNT] {
    let (path, last) = (path_row(shape), path_row(shape) + shape.log_lifetime - 1);
    let mut values = [F::ZERO; public::COUNT];
    let mut set = |column: usize, is: bool| values[column] = F::from_bool(is);
    set(public::MESSAGE, row == 0);
    set(public::SPONGE, (1..path).contains(&row));
    set(public::ROOT, row == last);
    set(public::SPONGE_FIRST, row == 1);
    set(public::SPONGE_ON, (1..path - 1).contains(&row));
    set(public::LEAF, row + 1 == path);
    set(public::PATH, (path..=last).contains(&row));
    set(public::PATH_ON, (path..last).contains(&row));
    set(public::LAST, row + 1 == block_rows(shape));
    set(
        public::RIGHT,
        level(row + 1, path, last).is_some_and(|next| is_right(statement.slot, next)),
    );
    let tag = match row {
        _ if row < path => row,
        _ if row == last => root_tag(shape),
        _ => 0,
    };
    values[public::TAG] = F::from_usize(tag);
    if let Some(level) = level(row, path, last) {
        let tweak = tree_tweak(level + 1, tree_index(statement.slot, level + 1));
        values[public::TWEAK..public::TWEAK + 2].copy_from_slice(&tweak);
    }
    values
}

/// The level of the children that a row of the path hashes.
fn level(row: usize, path: usize, last: usize) -> Option<u32> {
    if !(path..=last).contains(&row) {
        return None;
    }
    u32::try_from(row - path).ok()
}

/// Returns true if the node of a slot at a level is its parent's right child.
pub(crate) fn is_right(slot: u32, level: u32) -> bool {
    tree_index(slot, level) % 2 == 1
}
