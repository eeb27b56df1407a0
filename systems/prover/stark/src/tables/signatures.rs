//! A row a signature: the codeword, and what it asks of the other tables.

use leansig::relation::{
    BASE, DIGEST_LEN, DIGITS_PER_ELEMENT, MESSAGE_LEN, PARAMETER_LEN, QUOTIENT, Shape,
    message_tweak, tree_tweak,
};
use p3_air::WindowAccess;
use p3_field::PrimeCharacteristicRing;
use p3_lookup::{Count, InteractionBuilder};

use super::{
    CHAIN_BUS, CHAIN_MESSAGE, HASH_BUS, HASH_MESSAGE, WHOLE_CHAIN, hashes, message, public_column,
};
use crate::{
    claims::Claims,
    field::{F, cell, cells},
};

/// Bits of a digit.
const DIGIT_BITS: usize = BASE.trailing_zeros() as usize;
/// Bits of the quotient of an element of the message hash.
pub(crate) const QUOTIENT_BITS: usize = DIGIT_BITS * DIGITS_PER_ELEMENT;
/// Bits of the remainder; all of them set is no remainder.
pub(crate) const REMAINDER_BITS: usize = QUOTIENT.count_ones() as usize;
/// Helpers an element: whether the remainder's first three bits, and the next three, are all set.
pub(crate) const REMAINDER_HELPERS: usize = 2;

/// The public columns, in their order; each has a committed copy.
pub(crate) mod public {
    use super::{DIGEST_LEN, MESSAGE_LEN, PARAMETER_LEN};

    pub(crate) const PARAMETER: usize = 0;
    pub(crate) const ROOT: usize = PARAMETER + PARAMETER_LEN;
    pub(crate) const MESSAGE: usize = ROOT + DIGEST_LEN;
    pub(crate) const MESSAGE_TWEAK: usize = MESSAGE + MESSAGE_LEN;
    pub(crate) const LEAF_TWEAK: usize = MESSAGE_TWEAK + 2;
    /// 1 in a row that has a signature.
    pub(crate) const REAL: usize = LEAF_TWEAK + 2;
    /// The signature's number.
    pub(crate) const SIGNATURE: usize = REAL + 1;
    /// The claim's number.
    pub(crate) const CLAIM: usize = SIGNATURE + 1;
    pub(crate) const COUNT: usize = CLAIM + 1;
}

/// The columns of a row's parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    /// Bits of the quotients: [`QUOTIENT_BITS`] an element, lowest first.
    pub(crate) quotients: usize,
    /// Bits of the remainders: [`REMAINDER_BITS`] an element, lowest first.
    pub(crate) remainders: usize,
    /// [`REMAINDER_HELPERS`] an element.
    pub(crate) helpers: usize,
    /// The ends of the chains.
    pub(crate) ends: usize,
    /// For each chain, whether its digit is the largest: then the chain has no step.
    pub(crate) stepless: usize,
    /// The copies of the public columns.
    pub(crate) public: usize,
    pub(crate) width: usize,
}

impl Columns {
    pub(crate) const fn new(shape: &Shape) -> Self {
        let quotients = 0;
        let remainders = quotients + QUOTIENT_BITS * shape.hash_elements;
        let helpers = remainders + REMAINDER_BITS * shape.hash_elements;
        let ends = helpers + REMAINDER_HELPERS * shape.hash_elements;
        let stepless = ends + DIGEST_LEN * shape.dimension;
        let public = stepless + shape.dimension;
        let width = public + public::COUNT;
        Self { quotients, remainders, helpers, ends, stepless, public, width }
    }
}

/// The table for given claims.
#[derive(Clone, Debug)]
pub(crate) struct Signatures {
    shape: Shape,
    pub(crate) columns: Columns,
    pub(crate) public: Vec<Vec<F>>,
}

impl Signatures {
    pub(crate) fn new(claims: &Claims, height: usize) -> Self {
        let mut columns = vec![Vec::new(); public::COUNT];
        let rows = claims.signers().map(Some).chain(std::iter::repeat(None)).take(height);
        for (number, row) in rows.enumerate() {
            // A row without a signature has the first claim's values where these may be anything:
            // then the column is the same in all rows of a single claim.
            let (claim, statement) = row.map_or((0, &claims.statements[0]), |row| (row.0, row.1));
            let key = row.map(|row| row.2);
            let parameter = key.map_or([F::ZERO; PARAMETER_LEN], |key| key.parameter);
            let root = key.map_or([F::ZERO; DIGEST_LEN], |key| key.root);
            let values = parameter
                .into_iter()
                .chain(root)
                .chain(statement.message)
                .chain(message_tweak(statement.slot))
                .chain(tree_tweak(0, statement.slot))
                .chain([F::from_bool(key.is_some()), F::from_usize(number), F::from_usize(claim)]);
            for (column, value) in columns.iter_mut().zip(values) {
                column.push(value);
            }
        }
        let public = columns.into_iter().map(public_column).collect();
        Self { shape: claims.shape, columns: Columns::new(&claims.shape), public }
    }

    pub(crate) fn eval<B: InteractionBuilder<F = F>>(&self, builder: &mut B) {
        let main = builder.main();
        let row = main.current_slice();
        self.pin_public(builder, row);
        let hash = self.decode(builder, row);
        self.ask_hashes(builder, row, hash);
        self.ask_chains(builder, row);
    }

    /// The committed copies are the public columns.
    fn pin_public<B: InteractionBuilder<F = F>>(&self, builder: &mut B, row: &[B::Var]) {
        let public: Vec<B::Expr> =
            builder.periodic_values().iter().map(|value| (*value).into()).collect();
        for (column, value) in (self.columns.public..).zip(public) {
            builder.assert_eq(row[column], value);
        }
    }

    /// The digits are those of a message hash, and have the right sum. Returns the hash.
    fn decode<B: InteractionBuilder<F = F>>(
        &self,
        builder: &mut B,
        row: &[B::Var],
    ) -> Vec<B::Expr> {
        let Columns { quotients, remainders, helpers, .. } = self.columns;
        for bit in &row[quotients..helpers] {
            builder.assert_bool(*bit);
        }
        let mut hash = Vec::with_capacity(self.shape.hash_elements);
        for element in 0..self.shape.hash_elements {
            let quotient = number::<B>(row, quotients + QUOTIENT_BITS * element, QUOTIENT_BITS);
            let first = remainders + REMAINDER_BITS * element;
            hash.push(quotient * F::from_u32(QUOTIENT) + number::<B>(row, first, REMAINDER_BITS));

            // A remainder with all bits set would be another way to write the next quotient, or p - 1.
            let bit = |index: usize| cell::<B>(row, first + index);
            let helper = helpers + REMAINDER_HELPERS * element;
            builder.assert_eq(row[helper], bit(0) * bit(1) * bit(2));
            builder.assert_eq(row[helper + 1], bit(3) * bit(4) * bit(5));
            builder.assert_zero(cell::<B>(row, helper) * cell::<B>(row, helper + 1) * bit(6));
        }
        let sum: B::Expr = (0..self.shape.dimension).map(|chain| self.digit::<B>(row, chain)).sum();
        let target = F::from_usize(self.shape.target_sum);
        builder.assert_zero(self.public::<B>(row, public::REAL) * (sum - target));
        hash
    }

    fn ask_hashes<B: InteractionBuilder<F = F>>(
        &self,
        builder: &mut B,
        row: &[B::Var],
        hash: Vec<B::Expr>,
    ) {
        let copies =
            |first: usize, count: usize| cells::<B>(row, self.columns.public + first, count);
        let mut ask = |tag: usize, parts: Vec<B::Expr>| {
            let head = [F::from_usize(tag).into(), self.public::<B>(row, public::SIGNATURE)];
            let count = Count::bounded(self.public::<B>(row, public::REAL), 1);
            let fields = message(HASH_MESSAGE, head.into_iter().chain(parts));
            builder.push_interaction(HASH_BUS, fields, count);
        };

        let parts = copies(public::MESSAGE, MESSAGE_LEN)
            .chain(copies(public::PARAMETER, PARAMETER_LEN))
            .chain(copies(public::MESSAGE_TWEAK, 2));
        ask(hashes::MESSAGE_TAG, parts.chain(hash).collect());

        let absorbed: Vec<B::Expr> = copies(public::PARAMETER, PARAMETER_LEN)
            .chain(copies(public::LEAF_TWEAK, 2))
            .chain(cells::<B>(row, self.columns.ends, DIGEST_LEN * self.shape.dimension))
            .collect();
        for (block, chunk) in absorbed.chunks(hashes::RATE).enumerate() {
            ask(hashes::FIRST_SPONGE_TAG + block, chunk.to_vec());
        }

        let parts =
            copies(public::PARAMETER, PARAMETER_LEN).chain(copies(public::ROOT, DIGEST_LEN));
        ask(hashes::root_tag(&self.shape), parts.collect());
    }

    fn ask_chains<B: InteractionBuilder<F = F>>(&self, builder: &mut B, row: &[B::Var]) {
        for chain in 0..self.shape.dimension {
            let first = self.columns.quotients + DIGIT_BITS * chain;
            let bits: [B::Expr; DIGIT_BITS] =
                std::array::from_fn(|bit| cell::<B>(row, first + bit));
            let [low, middle, high] = bits;
            builder.assert_eq(row[self.columns.stepless + chain], low * middle * high);

            let head = [
                F::from_u32(WHOLE_CHAIN).into(),
                self.public::<B>(row, public::CLAIM),
                self.public::<B>(row, public::SIGNATURE),
                F::from_usize(chain).into(),
                self.digit::<B>(row, chain),
            ];
            let parameter = cells::<B>(row, self.columns.public + public::PARAMETER, PARAMETER_LEN);
            let end = cells::<B>(row, self.columns.ends + DIGEST_LEN * chain, DIGEST_LEN);
            let fields = message(CHAIN_MESSAGE, head.into_iter().chain(parameter).chain(end));
            let has_steps = B::Expr::ONE - cell::<B>(row, self.columns.stepless + chain);
            let count = self.public::<B>(row, public::REAL) * has_steps;
            builder.push_interaction(CHAIN_BUS, fields, Count::bounded(count, 1));
        }
    }

    fn public<B: InteractionBuilder<F = F>>(&self, row: &[B::Var], column: usize) -> B::Expr {
        cell::<B>(row, self.columns.public + column)
    }

    fn digit<B: InteractionBuilder<F = F>>(&self, row: &[B::Var], chain: usize) -> B::Expr {
        number::<B>(row, self.columns.quotients + DIGIT_BITS * chain, DIGIT_BITS)
    }
}

/// The number with these bits, lowest first.
fn number<B: InteractionBuilder<F = F>>(row: &[B::Var], first: usize, bits: usize) -> B::Expr {
    (0..bits).map(|bit| cell::<B>(row, first + bit) * F::from_u32(1 << bit)).sum()
}
