//! Filling the tables from signatures.

use leansig::relation::{
    BASE, CAPACITY, DIGEST_LEN, DIGITS_PER_ELEMENT, Digest, Element, PARAMETER_LEN, PublicKeyParts,
    QUOTIENT, STEPS, Shape, SignatureParts, chain_tweak, message_tweak, tree_index, tree_tweak,
};
use p3_field::{PrimeCharacteristicRing, PrimeField32};
use p3_matrix::dense::RowMajorMatrix;
use rayon::prelude::*;

use crate::{
    claims::{Claims, Statement},
    field::F,
    poseidon::{POSEIDON_16, POSEIDON_24},
    tables::{
        TABLES, Table, chains, hashes, log_heights,
        signatures::{Columns, QUOTIENT_BITS, REMAINDER_BITS, REMAINDER_HELPERS},
        tweaks,
    },
};

/// The reason a signature has no rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    /// Its randomness does not make the message a codeword.
    #[error("the message hash is not a codeword")]
    NotACodeword,
    /// It leads elsewhere than to the key's root.
    #[error("the signature does not lead to the public key's root")]
    Root,
}

/// A signature to prove, with what it signs.
struct Job<'a> {
    shape: &'a Shape,
    claim: usize,
    number: usize,
    statement: &'a Statement,
    key: &'a PublicKeyParts,
    signature: &'a SignatureParts,
}

/// The rows of a signature in the tables of its three kinds.
struct Rows<'a> {
    signature: &'a mut [F],
    hashes: &'a mut [F],
    chains: &'a mut [F],
}

/// The digits and remainders of a message hash.
struct Codeword {
    quotients: Vec<u32>,
    remainders: Vec<u32>,
}

impl Codeword {
    /// Reads the digits of a message hash; `None` if they do not have the right sum.
    fn of(shape: &Shape, hash: &[F]) -> Option<Self> {
        let values = || hash[..shape.hash_elements].iter().map(F::as_canonical_u32);
        if values().any(|value| value == F::ORDER_U32 - 1) {
            return None;
        }
        let codeword = Self {
            quotients: values().map(|value| value / QUOTIENT).collect(),
            remainders: values().map(|value| value % QUOTIENT).collect(),
        };
        let sum: usize = (0..shape.dimension).map(|chain| codeword.digit(chain)).sum();
        (sum == shape.target_sum).then_some(codeword)
    }

    fn digit(&self, chain: usize) -> usize {
        let quotient = self.quotients[chain / DIGITS_PER_ELEMENT];
        let base = u32::from(BASE);
        let at = (0..chain % DIGITS_PER_ELEMENT).fold(quotient, |rest, _| rest / base);
        (at % base) as usize
    }
}

/// The tables' rows, in the tables' order; or the first signature that is not valid.
pub(crate) fn fill(
    claims: &Claims,
    tables: &[Table; TABLES],
    signatures: &[SignatureParts],
) -> Result<[RowMajorMatrix<F>; TABLES], (usize, Invalid)> {
    let shape = &claims.shape;
    let columns = Columns::new(shape);
    let widths = [columns.width, hashes::WIDTH, chains::WIDTH, tweaks::WIDTH];
    let heights = log_heights(claims).map(|log| 1usize << log);
    let [mut signature_rows, mut hash_rows, mut chain_rows, mut tweak_rows] =
        std::array::from_fn(|table| F::zero_vec(widths[table] * heights[table]));

    let jobs: Vec<_> = claims
        .signers()
        .zip(signatures)
        .enumerate()
        .map(|(number, ((claim, statement, key), signature))| Job {
            shape,
            claim,
            number,
            statement,
            key,
            signature,
        })
        .collect();
    let block = hashes::WIDTH * hashes::block_rows(shape);
    let filled: Vec<Result<Codeword, Invalid>> = jobs
        .par_iter()
        .zip(signature_rows.par_chunks_exact_mut(columns.width))
        .zip(hash_rows.par_chunks_exact_mut(block))
        .zip(chain_rows.par_chunks_exact_mut(chains::WIDTH * chains::steps(shape)))
        .map(|(((job, signature), hashes), chains)| {
            fill_signature(job, &columns, Rows { signature, hashes, chains })
        })
        .collect();
    let mut times = vec![0u32; tweak_rows.len() / tweaks::WIDTH];
    for (job, codeword) in jobs.iter().zip(filled) {
        let codeword = codeword.map_err(|invalid| (job.number, invalid))?;
        for chain in 0..shape.dimension {
            for step in codeword.digit(chain) + 1..=usize::from(STEPS) {
                times[tweaks::row_of(shape, job.claim, chain, step)] += 1;
            }
        }
    }

    pad_hashes(&mut hash_rows, block, jobs.len());
    pad_chains(&mut chain_rows, jobs.len() * chains::steps(shape));
    for (row, times) in tweak_rows.chunks_exact_mut(tweaks::WIDTH).zip(times) {
        row[tweaks::TIMES] = F::from_u32(times);
    }
    let mut widths = widths.into_iter();
    let mut rows = [signature_rows, hash_rows, chain_rows, tweak_rows]
        .map(|rows| RowMajorMatrix::new(rows, widths.next().unwrap_or_default()));
    copy_public(shape, tables, &mut rows);
    Ok(rows)
}

/// Fills the committed copies of public columns.
pub(crate) fn copy_public(
    shape: &Shape,
    tables: &[Table; TABLES],
    rows: &mut [RowMajorMatrix<F>; TABLES],
) {
    let [signatures, hashes, _, tweaks] = tables.each_ref().map(Table::public_columns);
    copy_columns(&mut rows[0], Columns::new(shape).public, signatures);
    copy_columns(&mut rows[1], hashes::COPY, &hashes[..hashes::COPIES]);
    copy_columns(&mut rows[3], 0, tweaks);
}

fn fill_signature(job: &Job<'_>, columns: &Columns, rows: Rows<'_>) -> Result<Codeword, Invalid> {
    let mut blocks = rows.hashes.chunks_exact_mut(hashes::WIDTH);
    let mut hash = |input: [F; 24]| {
        let row = blocks.next().expect("a block has a row for each hash");
        row[hashes::SIGNATURE] = F::from_usize(job.number);
        row[hashes::REAL] = F::ONE;
        POSEIDON_24.fill(row, input)
    };
    let input = message_input(job);
    let output = hash(input);
    let compressed: [F; 24] = std::array::from_fn(|at| output[at] + input[at]);
    let codeword = Codeword::of(job.shape, &compressed).ok_or(Invalid::NotACodeword)?;
    let ends = fill_chains(job, &codeword, rows.chains);

    let mut state = [F::ZERO; 24];
    state[..CAPACITY].copy_from_slice(&job.shape.leaf_capacity);
    for block in absorbed(job, &ends).chunks_exact(hashes::RATE) {
        state[CAPACITY..].copy_from_slice(block);
        state = hash(state);
    }
    let mut node: Digest = std::array::from_fn(|at| state[CAPACITY + at]);
    for (level, sibling) in (0..).zip(&job.signature.path) {
        let input = node_input(job, level, &node, sibling);
        let output = hash(input);
        node = std::array::from_fn(|at| output[at] + input[at]);
    }
    if node != job.key.root {
        return Err(Invalid::Root);
    }
    let used = hashes::path_row(job.shape) + job.signature.path.len();
    for _ in used..hashes::block_rows(job.shape) {
        let _unused = hash([F::ZERO; 24]);
    }
    fill_signature_row(columns, job.shape, &codeword, &ends, rows.signature);
    Ok(codeword)
}

fn message_input(job: &Job<'_>) -> [F; 24] {
    let mut input = [F::ZERO; 24];
    let values = (job.statement.message.into_iter())
        .chain(job.key.parameter)
        .chain(message_tweak(job.statement.slot))
        .chain(job.signature.rho);
    for (cell, value) in input.iter_mut().zip(values) {
        *cell = value;
    }
    input
}

fn node_input(job: &Job<'_>, level: u32, node: &Digest, sibling: &Digest) -> [F; 24] {
    let slot = job.statement.slot;
    let (left, right) =
        if hashes::is_right(slot, level) { (sibling, node) } else { (node, sibling) };
    let mut input = [F::ZERO; 24];
    input[..PARAMETER_LEN].copy_from_slice(&job.key.parameter);
    let tweak = tree_tweak(level + 1, tree_index(slot, level + 1));
    input[hashes::NODE_TWEAK..hashes::LEFT].copy_from_slice(&tweak);
    input[hashes::LEFT..hashes::RIGHT].copy_from_slice(left);
    input[hashes::RIGHT..hashes::ZERO].copy_from_slice(right);
    input
}

/// The elements that the sponge absorbs, filled up to whole blocks.
fn absorbed(job: &Job<'_>, ends: &[Digest]) -> Vec<Element> {
    let mut absorbed = job.key.parameter.to_vec();
    absorbed.extend(tree_tweak(0, job.statement.slot));
    absorbed.extend(ends.as_flattened());
    absorbed.resize(absorbed.len().next_multiple_of(hashes::RATE), F::ZERO);
    absorbed
}

/// Walks the chains and returns their ends.
fn fill_chains(job: &Job<'_>, codeword: &Codeword, rows: &mut [F]) -> Vec<Digest> {
    let mut rows = rows.chunks_exact_mut(chains::WIDTH);
    let mut ends = Vec::with_capacity(job.shape.dimension);
    for (chain, value) in (0u8..).zip(&job.signature.hashes) {
        let digit = codeword.digit(usize::from(chain));
        let mut value = *value;
        for step in (1..=STEPS).skip(digit) {
            let row = rows.next().expect("digits of one sum leave one number of steps");
            let mut input = [F::ZERO; 16];
            input[..DIGEST_LEN].copy_from_slice(&value);
            input[chains::PARAMETER..chains::STEP_TWEAK].copy_from_slice(&job.key.parameter);
            let tweak = chain_tweak(job.statement.slot, chain, step);
            input[chains::STEP_TWEAK..chains::STEP_TWEAK + 2].copy_from_slice(&tweak);
            let output = POSEIDON_16.fill(row, input);
            value = std::array::from_fn(|at| output[at] + input[at]);

            row[chains::CLAIM] = F::from_usize(job.claim);
            row[chains::SIGNATURE] = F::from_usize(job.number);
            row[chains::CHAIN] = F::from_u8(chain);
            row[chains::DIGIT] = F::from_usize(digit);
            row[chains::REAL] = F::ONE;
            row[chains::STEP] = F::from_u8(step);
            row[chains::LAST] = F::from_bool(step == STEPS);
        }
        ends.push(value);
    }
    ends
}

fn fill_signature_row(
    columns: &Columns,
    shape: &Shape,
    codeword: &Codeword,
    ends: &[Digest],
    row: &mut [F],
) {
    let bits = |cells: &mut [F], value: u32| {
        for (bit, cell) in cells.iter_mut().enumerate() {
            *cell = F::from_bool(value >> bit & 1 == 1);
        }
    };
    for (element, (quotient, remainder)) in
        codeword.quotients.iter().zip(&codeword.remainders).enumerate()
    {
        bits(&mut row[columns.quotients + QUOTIENT_BITS * element..][..QUOTIENT_BITS], *quotient);
        bits(
            &mut row[columns.remainders + REMAINDER_BITS * element..][..REMAINDER_BITS],
            *remainder,
        );
        let helpers = &mut row[columns.helpers + REMAINDER_HELPERS * element..];
        helpers[0] = F::from_bool(remainder & 7 == 7);
        helpers[1] = F::from_bool(remainder >> 3 & 7 == 7);
    }
    row[columns.ends..columns.stepless].copy_from_slice(ends.as_flattened());
    for chain in 0..shape.dimension {
        let stepless = codeword.digit(chain) == usize::from(STEPS);
        row[columns.stepless + chain] = F::from_bool(stepless);
    }
}

/// Blocks without a signature repeat the first block, with their number.
fn pad_hashes(rows: &mut [F], block: usize, signatures: usize) {
    let (filled, padding) = rows.split_at_mut(block * signatures);
    padding.par_chunks_exact_mut(block).enumerate().for_each(|(number, rows)| {
        rows.copy_from_slice(&filled[..block]);
        for row in rows.chunks_exact_mut(hashes::WIDTH) {
            row[hashes::SIGNATURE] = F::from_usize(signatures + number);
            row[hashes::REAL] = F::ZERO;
        }
    });
}

/// Rows without a step are chains of one step that nobody asks for.
fn pad_chains(rows: &mut [F], steps: usize) {
    let mut padding = [F::ZERO; chains::WIDTH];
    let _unasked = POSEIDON_16.fill(&mut padding, [F::ZERO; 16]);
    padding[chains::DIGIT] = F::from_u8(STEPS - 1);
    padding[chains::STEP] = F::from_u8(STEPS);
    padding[chains::LAST] = F::ONE;
    rows[chains::WIDTH * steps..]
        .par_chunks_exact_mut(chains::WIDTH)
        .for_each(|row| row.copy_from_slice(&padding));
}

/// Copies public columns into the rows, from this place on.
fn copy_columns(rows: &mut RowMajorMatrix<F>, first: usize, public: &[Vec<F>]) {
    rows.par_rows_mut().enumerate().for_each(|(number, row)| {
        for (cell, column) in row[first..].iter_mut().zip(public) {
            *cell = column[number % column.len()];
        }
    });
}
