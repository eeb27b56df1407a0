//! Filling the rows of some signatures side by side.

use leansig::relation::{
    CAPACITY, DIGEST_LEN, Digest, Element, PARAMETER_LEN, STEPS, Shape, chain_tweak, message_tweak,
    tree_index, tree_tweak,
};
use p3_field::PrimeCharacteristicRing;

use super::{Codeword, Invalid, Job, Rows};
use crate::{
    field::F,
    poseidon::{LANES, POSEIDON_16, POSEIDON_24},
    tables::{
        chains, hashes,
        signatures::{Columns, QUOTIENT_BITS, REMAINDER_BITS, REMAINDER_HELPERS},
    },
};

/// Fills the rows of at most [`LANES`] signatures and returns their digits, or one that is not valid.
pub(super) fn fill_batch(
    jobs: &[Job<'_>],
    columns: &Columns,
    rows: Rows<'_>,
) -> Result<Vec<Codeword>, (usize, Invalid)> {
    let Some(Job { shape, .. }) = jobs.first() else { return Ok(Vec::new()) };
    let mut hashes = HashRows::new(jobs, shape, rows.hashes);
    let messages: Vec<_> = jobs.iter().map(message_input).collect();
    let hashed = hashes.fill(&messages);
    let codewords = jobs
        .iter()
        .zip(compressed(&messages, &hashed))
        .map(|(job, hash): (_, [F; 24])| {
            Codeword::of(shape, &hash).ok_or((job.number, Invalid::NotACodeword))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let ends = fill_chains(jobs, &codewords, rows.chains);

    let absorbed: Vec<_> = jobs.iter().zip(&ends).map(|(job, ends)| absorbed(job, ends)).collect();
    let mut states = vec![[F::ZERO; 24]; jobs.len()];
    for state in &mut states {
        state[..CAPACITY].copy_from_slice(&shape.leaf_capacity);
    }
    let blocks = absorbed.first().map_or(0, Vec::len) / hashes::RATE;
    for block in 0..blocks {
        for (state, absorbed) in states.iter_mut().zip(&absorbed) {
            state[CAPACITY..].copy_from_slice(&absorbed[block * hashes::RATE..][..hashes::RATE]);
        }
        states = hashes.fill(&states);
    }
    let mut nodes: Vec<Digest> =
        states.iter().map(|state| std::array::from_fn(|at| state[CAPACITY + at])).collect();
    let levels = jobs.first().map_or(0, |job| job.signature.path.len());
    for level in 0..levels {
        let inputs: Vec<_> =
            jobs.iter().zip(&nodes).map(|(job, node)| node_input(job, level, node)).collect();
        let outputs = hashes.fill(&inputs);
        nodes = compressed(&inputs, &outputs).collect();
    }
    if let Some((job, _)) = jobs.iter().zip(&nodes).find(|(job, node)| **node != job.key.root) {
        return Err((job.number, Invalid::Root));
    }
    for _ in hashes::path_row(shape) + levels..hashes::block_rows(shape) {
        let _unused = hashes.fill(&vec![[F::ZERO; 24]; jobs.len()]);
    }
    let signatures = rows.signatures.chunks_exact_mut(columns.width);
    for ((codeword, ends), row) in codewords.iter().zip(&ends).zip(signatures) {
        fill_signature_row(columns, shape, codeword, ends, row);
    }
    Ok(codewords)
}

/// The first elements of inputs and outputs added: what a permutation compresses an input to.
fn compressed<const W: usize, const N: usize>(
    inputs: &[[F; W]],
    outputs: &[[F; W]],
) -> impl Iterator<Item = [F; N]> {
    inputs
        .iter()
        .zip(outputs)
        .map(|(input, output)| std::array::from_fn(|at| output[at] + input[at]))
}

/// The rows of the signatures' hashes, a block for each.
struct HashRows<'a> {
    jobs: &'a [Job<'a>],
    blocks: Vec<std::slice::ChunksExactMut<'a, F>>,
}

impl<'a> HashRows<'a> {
    fn new(jobs: &'a [Job<'a>], shape: &Shape, rows: &'a mut [F]) -> Self {
        let blocks = rows.chunks_exact_mut(hashes::WIDTH * hashes::block_rows(shape));
        let blocks = blocks.take(jobs.len()).map(|block| block.chunks_exact_mut(hashes::WIDTH));
        Self { jobs, blocks: blocks.collect() }
    }

    /// Fills the next row of each block.
    fn fill(&mut self, inputs: &[[F; 24]]) -> Vec<[F; 24]> {
        let mut rows: Vec<&mut [F]> = self
            .blocks
            .iter_mut()
            .map(|block| block.next().expect("a block has a row for each hash"))
            .collect();
        for (row, job) in rows.iter_mut().zip(self.jobs) {
            row[hashes::SIGNATURE] = F::from_usize(job.number);
            row[hashes::REAL] = F::ONE;
        }
        POSEIDON_24.fill_rows(&mut rows, inputs)
    }
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

fn node_input(job: &Job<'_>, level: usize, node: &Digest) -> [F; 24] {
    let (slot, sibling) = (job.statement.slot, &job.signature.path[level]);
    let level = u32::try_from(level).expect("a tree has at most 32 levels");
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

/// A chain on its way to its end.
struct Walk<'a> {
    job: &'a Job<'a>,
    chain: u8,
    digit: usize,
    /// The row of its first step.
    first_row: usize,
    value: Digest,
}

impl Walk<'_> {
    fn row(&self, step: u8) -> usize {
        self.first_row + usize::from(step) - self.digit - 1
    }

    fn input(&self, step: u8) -> [F; 16] {
        let mut input = [F::ZERO; 16];
        input[..DIGEST_LEN].copy_from_slice(&self.value);
        input[chains::PARAMETER..chains::STEP_TWEAK].copy_from_slice(&self.job.key.parameter);
        let tweak = chain_tweak(self.job.statement.slot, self.chain, step);
        input[chains::STEP_TWEAK..chains::STEP_TWEAK + 2].copy_from_slice(&tweak);
        input
    }

    /// Fills what a row has beside its permutation.
    fn fill(&self, step: u8, row: &mut [F]) {
        row[chains::CLAIM] = F::from_usize(self.job.claim);
        row[chains::SIGNATURE] = F::from_usize(self.job.number);
        row[chains::CHAIN] = F::from_u8(self.chain);
        row[chains::DIGIT] = F::from_usize(self.digit);
        row[chains::REAL] = F::ONE;
        row[chains::STEP] = F::from_u8(step);
        row[chains::LAST] = F::from_bool(step == STEPS);
    }
}

/// Walks the chains of all signatures, those that take the same step side by side. Returns the ends of
/// each signature's.
fn fill_chains(jobs: &[Job<'_>], codewords: &[Codeword], rows: &mut [F]) -> Vec<Vec<Digest>> {
    let mut rows: Vec<Option<&mut [F]>> = rows.chunks_exact_mut(chains::WIDTH).map(Some).collect();
    let mut walks = Vec::new();
    let mut first_row = 0;
    for (job, codeword) in jobs.iter().zip(codewords) {
        for (chain, value) in (0u8..).zip(&job.signature.hashes) {
            let digit = codeword.digit(chain.into());
            walks.push(Walk { job, chain, digit, first_row, value: *value });
            // Digits of one sum leave one number of steps to each signature.
            first_row += usize::from(STEPS) - digit;
        }
    }
    for step in 1..=STEPS {
        let mut active: Vec<_> =
            walks.iter_mut().filter(|walk| walk.digit < usize::from(step)).collect();
        for group in active.chunks_mut(LANES) {
            let inputs: Vec<_> = group.iter().map(|walk| walk.input(step)).collect();
            let mut cells: Vec<_> =
                group.iter().filter_map(|walk| rows[walk.row(step)].take()).collect();
            let outputs = POSEIDON_16.fill_rows(&mut cells, &inputs);
            let ends = compressed(&inputs, &outputs);
            for ((walk, row), end) in group.iter_mut().zip(cells).zip(ends) {
                walk.fill(step, row);
                walk.value = end;
            }
        }
    }
    let of_job = |number: usize| walks.iter().filter(move |walk| walk.job.number == number);
    jobs.iter().map(|job| of_job(job.number).map(|walk| walk.value).collect()).collect()
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
