//! The kernels of `cuda/`: every one with its entries in the PTX and its parameters as fields, in the kernel's order and by its
//! names. Launching it is a method of the struct.
//!
//! What a kernel computes stands above it in `cuda/*.cu`. A test holds every declaration to the source (names, types, what is
//! read and what is written) and to the PTX.
//!
//! | file | what |
//! |---|---|
//! | `argument.rs` | the types of parameters: numbers, choices, values that are read or written |
//! | `launch.rs` | the PTX, loaded and launched |
//! | `product.rs` | matrix products and all-pairs losses, whose entry depends on their size |

mod argument;
#[cfg(test)]
mod declaration_tests;
mod launch;
#[cfg(test)]
mod layer_tests;
mod product;

use super::Device;
use crate::error::Result;
use argument::Argument;
pub(crate) use argument::{
    By, Combination, Epilogue, Function, HookValues, Input, InputRows, Output, OutputRows, Pairs,
};
#[cfg(feature = "train")]
pub(crate) use launch::Graph;
pub(super) use launch::Kernels;
pub(crate) use product::{Matrix, Product};

/// Threads of a block, for every kernel, and of a warp.
const THREADS: usize = 256;
const WARP: usize = 32;

/// Fields, and names and types of the parameters that each stands for.
type Fields = &'static [(&'static str, &'static [(&'static str, &'static str)])];

/// Structs with a method that launches them; several entries share a declaration where their parameters are the same.
macro_rules! kernels {
    ($(
        $(#[$doc:meta])*
        $name:ident<$life:lifetime> = $first:ident $(| $entry:ident)* { $($field:ident: $type:ty,)* }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy)]
            #[allow(dead_code)] // which are launched depends on the features
            pub(crate) struct $name<$life> {
                $(pub $field: $type,)*
            }

            #[allow(dead_code)] // as above
            impl<$life> $name<$life> {
                /// Names in the PTX.
                const ENTRIES: &'static [&'static str] = &[stringify!($first) $(, stringify!($entry))*];

                /// The fields, and the parameters that each stands for.
                const PARAMETERS: Fields = &[$((stringify!($field), <$type as Argument>::PARAMETERS)),*];

                /// Launches the kernel on blocks of 256 threads; nothing for an empty grid.
                pub fn launch(self, device: &Device, grid: [usize; 3]) -> Result<()> {
                    self.launch_entry(Self::ENTRIES[0], device, grid)
                }

                /// Launches the kernel on one thread for each of `count` items, in a batch of `batch`.
                pub fn launch_over(self, device: &Device, count: usize, batch: usize) -> Result<()> {
                    self.launch(device, [count.div_ceil(THREADS), batch, 1])
                }

                /// Launches the kernel on one warp for each of `count` items, in a batch of `batch`.
                pub fn launch_warps(self, device: &Device, count: usize, batch: usize) -> Result<()> {
                    self.launch(device, [count.div_ceil(THREADS / WARP), batch, 1])
                }

                /// Launches one of the entries.
                ///
                /// # Panics
                /// If `entry` is not one of [`ENTRIES`](Self::ENTRIES).
                fn launch_entry(self, entry: &str, device: &Device, grid: [usize; 3]) -> Result<()> {
                    assert!(Self::ENTRIES.contains(&entry), "{entry} is not one of {:?}", Self::ENTRIES);
                    let mut words = Vec::new();
                    $(self.$field.push(&mut words);)*
                    device.launch(entry, grid, &words)
                }
            }
        )*

        /// Entries and parameters of every declaration.
        #[cfg(test)]
        const DECLARATIONS: &[(&[&str], Fields)] = &[$(($name::ENTRIES, $name::PARAMETERS)),*];
    };
}

kernels! {
    /// A batch of matrix products; [`Product`] is the way to it.
    Matmul<'a> = matmul_nn_64 | matmul_nt_64 | matmul_tn_64 | matmul_nn_128 | matmul_nt_128 | matmul_tn_128 {
        m: usize,
        n: usize,
        k: usize,
        a: Input<'a, f32>,
        lda: usize,
        outer_a: usize,
        inner_a: usize,
        b: Input<'a, f32>,
        ldb: usize,
        outer_b: usize,
        inner_b: usize,
        c: Output<'a, f32>,
        ldc: usize,
        outer_c: usize,
        inner_c: usize,
        inner_count: usize,
        splits: usize,
        split_stride: usize,
        epilogue: Epilogue,
        mask: Option<Input<'a, f32>>,
    }

    /// The parts of a product that was cut along its terms, added up.
    SumSplits<'a> = sum_splits {
        rows: usize,
        width: usize,
        splits: usize,
        parts: Input<'a, f32>,
        batch_parts: usize,
        out: OutputRows<'a>,
        add: bool,
    }

    /// Rows of two maps of the elements, combined, for every pair.
    FirstLayer<'a> = first_layer {
        rows: usize,
        n: usize,
        width: usize,
        left: Input<'a, f32>,
        right: Input<'a, f32>,
        batch_maps: usize,
        pairs: Option<Input<'a, u32>>,
        first: u32,
        batch_pairs: usize,
        combiner: Combination,
        out: Output<'a, f32>,
        batch_out: usize,
    }

    /// The sum with a row, in place.
    AddRow<'a> = add_row {
        rows: usize,
        width: usize,
        values: Output<'a, f32>,
        row: Input<'a, f32>,
    }

    /// Chosen channels of every row.
    TakeChannels<'a> = take_channels {
        rows: usize,
        width: usize,
        values: Input<'a, f32>,
        channels: Option<Input<'a, u32>>,
        count: usize,
        out: Output<'a, f32>,
    }

    /// An intervention on chosen channels of chosen pairs, in place.
    HookRows<'a> = hook {
        rows: usize,
        width: usize,
        values: Output<'a, f32>,
        channels: Option<Input<'a, u32>>,
        count: usize,
        pairs: Option<Input<'a, u32>>,
        first: u32,
        mask: Option<Input<'a, u8>>,
        keep: f32,
        weight: f32,
        table: Option<Input<'a, f32>>,
        place: HookValues,
    }

    /// Losses of stored logits, and their gradient in place of them where `weight` is not 0.
    RowLosses<'a> = row_losses {
        rows: usize,
        classes: usize,
        logits: Output<'a, f32>,
        batch_logits: usize,
        labels: Input<'a, u32>,
        pairs: Option<Input<'a, u32>>,
        first: u32,
        batch_pairs: usize,
        weight: f32,
        smoothing: f64,
        losses: Option<Output<'a, f64>>,
        hits: Option<Output<'a, u8>>,
        block_losses: Option<Output<'a, f64>>,
        block_hits: Option<Output<'a, u32>>,
    }

    /// Losses of pairs whose logits are never stored, by block of pairs: `run` launches it.
    ///
    /// Neurons are those of `hidden` (rows, width), or else the two maps (n, width) combined; `unembed` is (width, n), its
    /// rows `stride` apart, and `offset` (n) is added to the logits. Of every block `block_sums` has the loss and the square
    /// norm of the centred logits, `block_hits` the number of right pairs; `losses` and `hits` have one of each pair.
    Evaluation<'a> = evaluate_64 | evaluate_128 | evaluate_tf32 {
        rows: usize,
        n: usize,
        width: usize,
        left: Input<'a, f32>,
        right: Input<'a, f32>,
        hidden: Option<Input<'a, f32>>,
        combiner: Combination,
        unembed: Input<'a, f32>,
        offset: Option<Input<'a, f32>>,
        stride: usize,
        labels: Input<'a, u32>,
        pairs: Option<Input<'a, u32>>,
        first: u32,
        losses: Option<Output<'a, f64>>,
        hits: Option<Output<'a, u8>>,
        block_sums: Output<'a, f64>,
        block_hits: Output<'a, u32>,
    }

    /// Sums, or products, of rows of tables and nodes: one term is eight numbers.
    SumTerms<'a> = sum_terms {
        rows: usize,
        width: usize,
        pairs: Pairs<'a>,
        terms: Input<'a, u32>,
        count: usize,
        tables: Input<'a, f32>,
        nodes: Input<'a, f32>,
        of_tables: Input<'a, f32>,
        of_nodes: Input<'a, f32>,
        batch_tables: usize,
        batch_nodes: usize,
        product: bool,
        scale: f32,
        function: Function,
        out: OutputRows<'a>,
        add: bool,
    }

    /// The gradient of what an elementwise function was given.
    ActivationGradient<'a> = activation_gradient {
        rows: usize,
        width: usize,
        function: Function,
        values: InputRows<'a>,
        back: InputRows<'a>,
        out: OutputRows<'a>,
        add: bool,
    }

    /// Dot products of two rows by head: eight products a block.
    HeadProducts<'a> = head_products {
        rows: usize,
        heads: usize,
        width: usize,
        pairs: Pairs<'a>,
        a: InputRows<'a>,
        by_a: By,
        b: InputRows<'a>,
        by_b: By,
        scale: f32,
        out: OutputRows<'a>,
        add: bool,
    }

    /// The softmax of every head over positions.
    Softmax<'a> = softmax {
        rows: usize,
        heads: usize,
        positions: usize,
        values: InputRows<'a>,
        out: OutputRows<'a>,
    }

    /// The gradient of what a softmax was given.
    SoftmaxGradient<'a> = softmax_gradient {
        rows: usize,
        heads: usize,
        positions: usize,
        weights: InputRows<'a>,
        back: InputRows<'a>,
        out: OutputRows<'a>,
        add: bool,
    }

    /// The square root of the variance of every row, and `eps`: eight rows a block.
    Deviation<'a> = deviation {
        rows: usize,
        width: usize,
        values: InputRows<'a>,
        eps: f64,
        out: OutputRows<'a>,
    }

    /// The gradient of the rows whose deviation was taken: eight rows a block.
    DeviationGradient<'a> = deviation_gradient {
        rows: usize,
        width: usize,
        values: InputRows<'a>,
        deviations: InputRows<'a>,
        back: InputRows<'a>,
        out: OutputRows<'a>,
        add: bool,
    }

    /// Rows less their mean, divided by their deviation: eight rows a block.
    Normalise<'a> = normalise {
        rows: usize,
        width: usize,
        pairs: Pairs<'a>,
        values: InputRows<'a>,
        by_values: By,
        deviations: InputRows<'a>,
        by_deviations: By,
        weight: Option<Input<'a, f32>>,
        bias: Option<Input<'a, f32>>,
        batch_weight: usize,
        out: OutputRows<'a>,
    }

    /// The gradients of what was normalised, of its deviation and, where given, the rows whose sum is that of the weight: eight
    /// rows a block.
    NormaliseGradient<'a> = normalise_gradient {
        rows: usize,
        width: usize,
        pairs: Pairs<'a>,
        values: InputRows<'a>,
        by_values: By,
        deviations: InputRows<'a>,
        by_deviations: By,
        weight: Option<Input<'a, f32>>,
        batch_weight: usize,
        back: InputRows<'a>,
        out: OutputRows<'a>,
        add: bool,
        of_deviations: OutputRows<'a>,
        add_of_deviations: bool,
        scaled: Option<Output<'a, f32>>,
        batch_scaled: usize,
    }

    /// Sums and sums of squares of every channel over regions of pairs.
    RegionMoments<'a> = region_moments {
        n_x: usize,
        n_y: usize,
        m_x: usize,
        m_y: usize,
        width: usize,
        values: Input<'a, f32>,
        skip_first: bool,
        splits: usize,
        sums: Output<'a, f64>,
        squares: Output<'a, f64>,
    }

    /// Sums of rows that a table lists, added to what is there.
    GatherSums<'a> = gather_sums {
        count: usize,
        width: usize,
        values: Input<'a, f32>,
        step_o: usize,
        step_j: usize,
        table: Option<Input<'a, u32>>,
        out: Output<'a, f64>,
    }

    /// Squares of coefficients by row of x and row of y.
    SquareSums<'a> = square_sums {
        sectors: usize,
        m: usize,
        width: usize,
        terms: Input<'a, f32>,
        out: Output<'a, f64>,
    }

    /// Squares of coefficients by channel and block of rows.
    BlockEnergies<'a> = block_energies {
        sectors: usize,
        m: usize,
        blocks: usize,
        starts: Input<'a, u32>,
        width: usize,
        terms: Input<'a, f32>,
        out: Output<'a, f64>,
    }

    /// Sums of the rows of every element, weighted where there are weights: the gradient of a table, or, over all rows, of a
    /// bias.
    SumRows<'a> = sum_rows {
        rows: usize,
        width: usize,
        values: InputRows<'a>,
        order: Option<Input<'a, u32>>,
        batch_order: usize,
        starts: Option<Input<'a, u32>>,
        batch_starts: usize,
        weights: Option<InputRows<'a>>,
        out: OutputRows<'a>,
        add: bool,
    }

    /// A step of Adam or AdamW.
    Adam<'a> = adam {
        count: usize,
        batch: usize,
        batch_state: usize,
        parameters: Output<'a, f32>,
        gradient: Input<'a, f32>,
        first: Output<'a, f32>,
        second: Output<'a, f32>,
        rates: Input<'a, f32>,
        counter: Input<'a, u32>,
        decay: f32,
        toward: f32,
        stay: f32,
        square: f32,
        eps: f32,
    }

    /// A step of gradient descent with momentum.
    Sgd<'a> = sgd {
        count: usize,
        batch: usize,
        batch_state: usize,
        parameters: Output<'a, f32>,
        gradient: Input<'a, f32>,
        velocity: Output<'a, f32>,
        rates: Input<'a, f32>,
        counter: Input<'a, u32>,
        decay: f32,
        momentum: f32,
    }

    /// The losses of an epoch, and the count of epochs.
    EndEpoch<'a> = end_epoch {
        seeds: usize,
        blocks: usize,
        block_losses: Input<'a, f64>,
        weight: f64,
        epochs: usize,
        losses: Output<'a, f64>,
        counter: Output<'a, u32>,
    }
}
