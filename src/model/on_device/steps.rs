//! The kinds of steps on a device: all that each takes there, forward and backward, and the sums and products that steps are
//! made of.

use super::super::network::Activation;
use super::super::network::rows::RowOp;
use super::program::{Lowering, Place, Term, splits};
use crate::device::kernels::{self, By, Epilogue};
use crate::device::{Matrix, Product};

/// What is done with terms: `function` of `scale` times their sum or product, plus what is there where `add` is set.
#[derive(Clone, Copy)]
pub(super) struct Combined {
    pub product: bool,
    pub scale: f32,
    pub function: Activation,
    pub add: bool,
}

/// Terms added up, and no more.
pub(super) const SUM: Combined = Combined { product: false, scale: 1.0, function: Activation::Identity, add: false };

/// What is done with a product of rows and a matrix.
#[derive(Clone, Copy, Default)]
pub(super) struct Multiplied {
    /// Whether the matrix is stored the other way round.
    pub transposed: bool,
    /// Whether it is added to what is there.
    pub add: bool,
    /// Whether max(0, v) of it is taken.
    pub relu: bool,
    /// Its columns are kept where these are positive, and 0 elsewhere.
    pub mask: Option<Place>,
}

impl Lowering<'_> {
    /// A nonlinear step or, where there is the gradient of its result `out`, the gradients with respect to its inputs.
    pub fn step(&mut self, op: &RowOp, inputs: &[Place], out: Place, gradient: Option<Place>) {
        let values = inputs[0];
        match (op, gradient) {
            (RowOp::Activate(f), None) => self.terms(&[Term::whole(values)], Combined { function: *f, ..SUM }, out),
            (RowOp::Activate(f), Some(back)) => {
                self.gradient_of(values, |this, to, add| this.activation_gradient(*f, values, back, to, add));
            }

            (RowOp::Product, None) => {
                let terms: Vec<Term> = inputs.iter().map(|&input| Term::whole(input)).collect();
                self.terms(&terms, Combined { product: true, ..SUM }, out);
            }
            (RowOp::Product, Some(back)) => {
                for (i, &input) in inputs.iter().enumerate() {
                    let others = [&[back], &inputs[..i], &inputs[i + 1..]].concat();
                    let terms: Vec<Term> = others.into_iter().map(Term::whole).collect();
                    self.gradient_of(input, |this, to, add| {
                        this.terms(&terms, Combined { product: true, add, ..SUM }, to);
                    });
                }
            }

            (RowOp::Scores { heads }, gradient) => {
                let (query, key) = (values, inputs[1]);
                let scale = 1.0 / ((query.width / heads) as f32).sqrt();
                let Some(back) = gradient else { return self.head_products(query, key, *heads, scale, out, false) };
                for (input, other) in [(query, key), (key, query)] {
                    let terms: Vec<Term> = Term::by_head(other, back, *heads).collect();
                    self.gradient_of(input, |this, to, add| this.terms(&terms, Combined { scale, add, ..SUM }, to));
                }
            }

            (RowOp::Softmax { heads }, None) => {
                let (heads, positions) = (*heads, out.width / heads);
                self.push(move |pass| {
                    let (rows, values, out) = (pass.block.count, pass.input(values), pass.output(out));
                    let softmax = kernels::Softmax { rows, heads, positions, values, out };
                    softmax.launch_over(pass.device, rows * heads, pass.batch)
                });
            }
            (RowOp::Softmax { heads }, Some(back)) => {
                let (heads, positions) = (*heads, out.width / heads);
                self.gradient_of(values, |this, to, add| {
                    this.push(move |pass| {
                        let gradient = kernels::SoftmaxGradient {
                            rows: pass.block.count,
                            heads,
                            positions,
                            weights: pass.input(out),
                            back: pass.input(back),
                            out: pass.output(to),
                            add,
                        };
                        gradient.launch_over(pass.device, pass.block.count * heads, pass.batch)
                    });
                });
            }

            (RowOp::Mix { heads, keys }, None) => {
                let weights = keys.iter().map(|key| values.columns(key * heads, *heads));
                let terms = weights.zip(&inputs[1..]).flat_map(|(of_key, &value)| Term::by_head(value, of_key, *heads));
                self.terms(&terms.collect::<Vec<Term>>(), SUM, out);
            }
            (RowOp::Mix { heads, keys }, Some(back)) => {
                self.gradient_of(values, |this, to, add| {
                    if !add {
                        this.terms(&[], SUM, to);
                    }
                    for (key, &value) in keys.iter().zip(&inputs[1..]) {
                        this.head_products(back, value, *heads, 1.0, to.columns(key * heads, *heads), true);
                    }
                });
                for (key, &value) in keys.iter().zip(&inputs[1..]) {
                    let pattern = values.columns(key * heads, *heads);
                    let terms: Vec<Term> = Term::by_head(back, pattern, *heads).collect();
                    self.gradient_of(value, |this, to, add| this.terms(&terms, Combined { add, ..SUM }, to));
                }
            }

            (RowOp::Deviation { eps }, None) => {
                let eps = *eps;
                self.push(move |pass| {
                    let (rows, width) = (pass.block.count, values.width);
                    let (values, out) = (pass.input(values), pass.output(out));
                    let deviation = kernels::Deviation { rows, width, values, eps, out };
                    deviation.launch_warps(pass.device, rows, pass.batch)
                });
            }
            (RowOp::Deviation { .. }, Some(back)) => self.gradient_of(values, |this, to, add| {
                this.push(move |pass| {
                    let gradient = kernels::DeviationGradient {
                        rows: pass.block.count,
                        width: values.width,
                        values: pass.input(values),
                        deviations: pass.input(out),
                        back: pass.input(back),
                        out: pass.output(to),
                        add,
                    };
                    gradient.launch_warps(pass.device, pass.block.count, pass.batch)
                });
            }),

            (RowOp::Normalise { weight, bias }, None) => {
                let (deviation, mut rest) = (inputs[1], inputs[2..].iter().copied());
                let weight = weight.then(|| rest.next().expect("a weight"));
                let bias = bias.then(|| rest.next().expect("a bias"));
                self.push(move |pass| {
                    let normalise = kernels::Normalise {
                        rows: pass.block.count,
                        width: out.width,
                        pairs: pass.pairs(),
                        values: pass.input(values),
                        by_values: values.by,
                        deviations: pass.input(deviation),
                        by_deviations: deviation.by,
                        weight: weight.map(|weight| pass.input(weight).values),
                        bias: bias.map(|bias| pass.input(bias).values),
                        batch_weight: pass.program.tables,
                        out: pass.output(out),
                    };
                    normalise.launch_warps(pass.device, pass.block.count, pass.batch)
                });
            }
            (RowOp::Normalise { weight, bias }, Some(back)) => {
                let (deviation, weight) = (inputs[1], weight.then(|| inputs[2]));
                // The rows whose sum is the gradient of the weight; that of the bias is the sum of `back`.
                let scaled = weight.map(|_| self.scratch(2, out.width));
                self.gradient_of(values, |this, to, add| {
                    this.gradient_into(deviation, 1, |this, of_deviation, add_of_deviations| {
                        this.push(move |pass| {
                            let gradient = kernels::NormaliseGradient {
                                rows: pass.block.count,
                                width: out.width,
                                pairs: pass.pairs(),
                                values: pass.input(values),
                                by_values: values.by,
                                deviations: pass.input(deviation),
                                by_deviations: deviation.by,
                                weight: weight.map(|weight| pass.input(weight).values),
                                batch_weight: pass.program.tables,
                                back: pass.input(back),
                                out: pass.output(to),
                                add,
                                of_deviations: pass.output(of_deviation),
                                add_of_deviations,
                                scaled: scaled.map(|scaled| pass.output(scaled).values),
                                batch_scaled: scaled.map_or(0, |scaled| pass.output(scaled).batch),
                            };
                            gradient.launch_warps(pass.device, pass.block.count, pass.batch)
                        });
                    });
                    let rows = scaled.into_iter().chain(bias.then_some(back));
                    rows.zip(&inputs[2..]).for_each(|(rows, table)| this.add_rows(rows, table.gradient()));
                });
            }
        }
    }

    /// The gradient of an activation function, of what it was given.
    pub fn activation_gradient(&mut self, function: Activation, values: Place, back: Place, out: Place, add: bool) {
        self.push(move |pass| {
            let gradient = kernels::ActivationGradient {
                rows: pass.block.count,
                width: out.width,
                function: function.on_device(),
                values: pass.input(values),
                back: pass.input(back),
                out: pass.output(out),
                add,
            };
            gradient.launch_over(pass.device, pass.block.count * out.width, pass.batch)
        });
    }

    /// Terms put together.
    pub fn terms(&mut self, terms: &[Term], how: Combined, out: Place) {
        let (first, count) = (self.words.len(), terms.len());
        self.words.extend(terms.iter().flat_map(|term| term.words()));
        let Combined { product, scale, function, add } = how;
        self.push(move |pass| {
            let (program, rows) = (pass.program, pass.block.count);
            let (of_tables, of_nodes) =
                pass.back.map_or((pass.tables, pass.nodes), |back| (back.of_tables, back.of_nodes));
            let sum = kernels::SumTerms {
                rows,
                width: out.width,
                pairs: pass.pairs(),
                terms: program.terms.input_from(first),
                count,
                tables: pass.tables.input(),
                nodes: pass.nodes.input(),
                of_tables: of_tables.input(),
                of_nodes: of_nodes.input(),
                batch_tables: program.tables,
                batch_nodes: program.width * rows,
                product,
                scale,
                function: function.on_device(),
                out: pass.output(out),
                add,
            };
            sum.launch_over(pass.device, rows * out.width, pass.batch)
        });
    }

    /// Rows times a matrix.
    pub fn product(&mut self, a: Place, b: Place, how: Multiplied, out: Place) {
        let Multiplied { transposed, add, relu, mask } = how;
        let epilogue = match mask {
            _ if relu => Epilogue::Relu,
            Some(_) => Epilogue::Mask,
            None if add => Epilogue::Add,
            None => Epilogue::Store,
        };
        self.push(move |pass| {
            let product = Product {
                transpose_b: transposed,
                outer: pass.batch,
                epilogue,
                mask: mask.map(|mask| pass.input(mask).values),
                ..Product::new(pass.block.count, out.width, a.width)
            };
            product.run(pass.device, pass.matrix(a), pass.matrix(b), pass.matrix(out))
        });
    }

    /// Dot products by head of the rows of `a` and `b`.
    pub fn head_products(&mut self, a: Place, b: Place, heads: usize, scale: f32, out: Place, add: bool) {
        self.push(move |pass| {
            let products = kernels::HeadProducts {
                rows: pass.block.count,
                heads,
                width: a.width / heads,
                pairs: pass.pairs(),
                a: pass.input(a),
                by_a: a.by,
                b: pass.input(b),
                by_b: b.by,
                scale,
                out: pass.output(out),
                add,
            };
            products.launch_warps(pass.device, pass.block.count * heads, pass.batch)
        });
    }

    /// Adds rows, times a column of weights where there is one, to those of their element or to the only row.
    pub fn sum_rows(&mut self, values: Place, weights: Option<Place>, out: Place) {
        self.push(move |pass| {
            let (rows, n, back) = (pass.block.count, pass.program.order, pass.back());
            let (side, count) = match out.by {
                By::Left => (Some(0), n),
                By::Right => (Some(1), n),
                By::One | By::Row => (None, 1),
            };
            let sums = kernels::SumRows {
                rows,
                width: out.width,
                values: pass.input(values),
                order: side.map(|side| back.order.input_from(side * rows)),
                batch_order: 2 * rows,
                starts: side.map(|side| back.starts.input_from(side * (n + 1))),
                batch_starts: 2 * (n + 1),
                weights: weights.map(|weights| pass.input(weights)),
                out: pass.output(out),
                add: true,
            };
            sums.launch(pass.device, [out.width.div_ceil(32), count, pass.batch])
        });
    }

    /// Adds rows to the gradient of a matrix.
    pub fn add_rows(&mut self, rows: Place, out: Place) {
        match out.by {
            By::Row => self.terms(&[Term::whole(rows)], Combined { add: true, ..SUM }, out),
            _ => self.sum_rows(rows, None, out),
        }
    }

    /// Adds the transpose of rows (k) times rows (width), a matrix (k, width).
    pub fn over_rows(&mut self, a: Place, b: Place, out: Place) {
        let (k, width) = (a.width, b.width);
        self.over_rows.push((self.elements, [k, width]));
        self.push(move |pass| {
            let (rows, batch, count) = (pass.block.count, pass.batch, k * width);
            let splits = splits(k, width, batch, rows);
            let product = Product { transpose_a: true, outer: batch, ..Product::new(k, width, rows) };
            let (a, b) = (pass.matrix(a), pass.matrix(b));
            if splits == 1 {
                return Product { epilogue: Epilogue::Add, ..product }.run(pass.device, a, b, pass.matrix(out));
            }
            let (parts, batch_parts) = (pass.back().parts, splits * count);
            let of_batch = Matrix::new(parts, 0, width).batch(batch_parts, 0);
            Product { splits, split_stride: count, ..product }.run(pass.device, a, b, of_batch)?;
            let (parts, out) = (parts.input(), pass.output(out));
            let sum = kernels::SumSplits { rows: k, width, splits, parts, batch_parts, out, add: true };
            sum.launch_over(pass.device, count, batch)
        });
    }

    /// Makes the gradient with respect to an input by launches that are given where it goes, and whether it is added there.
    pub fn gradient_of(&mut self, input: Place, make: impl FnOnce(&mut Self, Place, bool)) {
        self.gradient_into(input, 0, make);
    }

    /// [`gradient_of`](Self::gradient_of), by way of one of the rooms of [`scratch`](Self::scratch) where rows are to be summed.
    fn gradient_into(&mut self, input: Place, room: usize, make: impl FnOnce(&mut Self, Place, bool)) {
        match (input.is_node, input.by) {
            (true, _) => {
                let add = self.claim(input);
                make(self, input.gradient(), add);
            }
            (false, By::Row) => make(self, input.gradient(), true),
            _ => {
                let rows = self.scratch(room, input.width);
                make(self, rows, false);
                self.sum_rows(rows, None, input.gradient());
            }
        }
    }

    /// Whether what goes to some channels of a node's gradient is added; otherwise it is the first, and fills it.
    pub fn claim(&mut self, channels: Place) -> bool {
        if !self.set.insert(channels.start) {
            return true;
        }
        let whole = Place { first: 0, width: channels.stride, ..channels };
        if channels.width == whole.width {
            return false;
        }
        self.terms(&[], SUM, whole.gradient());
        true
    }
}
