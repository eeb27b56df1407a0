//! Filling the tables from signatures.

mod batch;

use leansig::relation::{
    BASE, DIGITS_PER_ELEMENT, PublicKeyParts, QUOTIENT, STEPS, Shape, SignatureParts,
};
use p3_field::{PrimeCharacteristicRing, PrimeField32};
use p3_matrix::dense::RowMajorMatrix;
use rayon::prelude::*;

use crate::{
    claims::{Claims, Statement},
    field::F,
    poseidon::{LANES, POSEIDON_16},
    tables::{TABLES, Table, chains, hashes, log_heights, signatures::Columns, tweaks},
    witness::batch::fill_batch,
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

/// The rows of some signatures in the tables of their three kinds.
struct Rows<'a> {
    signatures: &'a mut [F],
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

/// The tables' rows, in the tables' order; or a signature that is not valid.
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
    let steps = chains::WIDTH * chains::steps(shape);
    let filled: Vec<Result<Vec<Codeword>, (usize, Invalid)>> = jobs
        .par_chunks(LANES)
        .zip(signature_rows.par_chunks_mut(columns.width * LANES))
        .zip(hash_rows.par_chunks_mut(block * LANES))
        .zip(chain_rows.par_chunks_mut(steps * LANES))
        .map(|(((jobs, signatures), hashes), chains)| {
            fill_batch(jobs, &columns, Rows { signatures, hashes, chains })
        })
        .collect();
    let mut times = vec![0u32; tweak_rows.len() / tweaks::WIDTH];
    let codewords: Vec<_> = filled.into_iter().collect::<Result<Vec<_>, _>>()?;
    for (job, codeword) in jobs.iter().zip(codewords.iter().flatten()) {
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
