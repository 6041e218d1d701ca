//! Matrix products and all-pairs losses: which entry computes them, and on what grid.

use super::{Epilogue, Evaluation, Input, Matmul};
use crate::device::{Buffer, Device, Tile};
use crate::error::Result;

/// A row-major matrix within a buffer, or a batch of matrices: `(outer, inner)` gives the distances between one and the next.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    buffer: &'a Buffer<f32>,
    start: usize,
    stride: usize,
    batch: (usize, usize),
}

impl<'a> Matrix<'a> {
    /// From value `start` of the buffer on, rows `stride` apart.
    pub fn new(buffer: &'a Buffer<f32>, start: usize, stride: usize) -> Self {
        Self { buffer, start, stride, batch: (0, 0) }
    }

    /// One of a batch.
    pub fn batch(self, outer: usize, inner: usize) -> Self {
        Self { batch: (outer, inner), ..self }
    }

    fn input(self) -> Input<'a, f32> {
        self.buffer.input_from(self.start)
    }
}

/// A matrix product, or a batch of products: `C (m, n) = A (m, k) B (k, n)`.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// A is stored (k, m).
    pub transpose_a: bool,
    /// B is stored (n, k).
    pub transpose_b: bool,
    pub outer: usize,
    pub inner: usize,
    /// Parts of the k terms, each with a C of its own `split_stride` after the one before, to be added up.
    pub splits: usize,
    pub split_stride: usize,
    pub epilogue: Epilogue,
    /// What [`Epilogue::Mask`] reads in the place of C.
    pub mask: Option<Input<'a, f32>>,
}

impl Product<'_> {
    /// One product, stored.
    pub fn new(m: usize, n: usize, k: usize) -> Self {
        Self {
            m,
            n,
            k,
            transpose_a: false,
            transpose_b: false,
            outer: 1,
            inner: 1,
            splits: 1,
            split_stride: 0,
            epilogue: Epilogue::Store,
            mask: None,
        }
    }

    /// A batch of `outer` times `inner` products.
    pub fn batch(self, outer: usize, inner: usize) -> Self {
        Self { outer, inner, ..self }
    }

    /// Computes the product, to `c`.
    pub fn run(self, device: &Device, a: Matrix<'_>, b: Matrix<'_>, c: Matrix<'_>) -> Result<()> {
        let Self { m, n, k, outer, inner, splits, split_stride, epilogue, mask, .. } = self;
        let batches = outer * inner * splits;
        let size = device.tile(m.div_ceil(128) * n.div_ceil(128) * batches).size();
        let layout = match (self.transpose_a, self.transpose_b) {
            (false, false) => "nn",
            (false, true) => "nt",
            (true, false) => "tn",
            (true, true) => unreachable!("no product here needs both transposed"),
        };
        let product = Matmul {
            m,
            n,
            k,
            a: a.input(),
            lda: a.stride,
            outer_a: a.batch.0,
            inner_a: a.batch.1,
            b: b.input(),
            ldb: b.stride,
            outer_b: b.batch.0,
            inner_b: b.batch.1,
            c: c.buffer.output_from(c.start),
            ldc: c.stride,
            outer_c: c.batch.0,
            inner_c: c.batch.1,
            inner_count: inner,
            splits,
            split_stride,
            epilogue,
            mask,
        };
        let grid = [m.div_ceil(size), n.div_ceil(size), batches];
        product.launch_entry(&format!("matmul_{layout}_{size}"), device, grid)
    }
}

impl Evaluation<'_> {
    /// Computes the losses.
    pub fn run(self, device: &Device) -> Result<()> {
        let (entry, size) = device.evaluation(self.rows);
        self.launch_entry(entry, device, [self.rows.div_ceil(size), 1, 1])
    }
}

impl Device {
    /// The tiles of a product of `large` large ones: small, until large ones fill the device.
    fn tile(&self, large: usize) -> Tile {
        self.tile.unwrap_or(if large >= 512 { Tile::Large } else { Tile::Small })
    }

    /// Number of blocks of an [`Evaluation`] of `pairs` pairs.
    pub(crate) fn evaluation_blocks(&self, pairs: usize) -> usize {
        pairs.div_ceil(self.evaluation(pairs).1)
    }

    /// The kernel that evaluates `pairs` pairs, and how many a block has.
    fn evaluation(&self, pairs: usize) -> (&'static str, usize) {
        if self.tile.is_none() && self.has_fast_tf32() {
            return ("evaluate_tf32", 128);
        }
        match self.tile(pairs.div_ceil(128)) {
            Tile::Small => ("evaluate_64", 64),
            Tile::Large => ("evaluate_128", 128),
        }
    }

    /// Whether products of a tensor-core kernel are faster here: three TF32 products for one in f32 pay where TF32 is
    /// several times as fast, which is on the data-centre devices of capability 8.0, 9.0 and 10.0.
    fn has_fast_tf32(&self) -> bool {
        matches!(self.info().capability, (8..=10, 0))
    }
}
