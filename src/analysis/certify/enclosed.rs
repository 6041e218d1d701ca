//! A network's maps in real arithmetic: enclosed from its weights, with a bound on rounding for each neuron.

use crate::error::{Error, Result};
use crate::linalg::times;
use crate::model::{Activation, Interpretable, Network, Operation, Step, Token};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate};
use std::collections::HashMap;

/// Half a unit in the last place of 1 in `f64`.
pub(super) const UNIT: f64 = f64::EPSILON / 2.0;

/// Half a unit in the last place of 1 in `f32`.
const SINGLE_UNIT: f64 = f32::EPSILON as f64 / 2.0;

/// What a bound is multiplied with, so that the rounding of the bound itself does not make it too small.
const SAFE: f64 = 1.0 + 1e-9;

/// `k u / (1 - k u)`: a sum of k products, added up in any order, is this far from the true one, relative to the sum of the
/// products without signs. Source: Higham 2002, "Accuracy and Stability of Numerical Algorithms", section 3.1.
pub(super) fn gamma(count: usize, unit: f64) -> f64 {
    let ku = count as f64 * unit;
    ku / (1.0 - ku)
}

/// The largest absolute value; 0 of none.
pub(super) fn largest<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().fold(0.0, |most, v| most.max(v.abs()))
}

/// Sizes, infinite where a value of that size may leave the range of `f32`: a forward pass in it would overflow.
fn in_single_range(sizes: Array1<f64>) -> Array1<f64> {
    sizes.mapv(|size| if size < f64::from(f32::MAX) { size } else { f64::INFINITY })
}

/// A function of one element: its values (n, width), and by column how far they may be from those in real arithmetic (`exact`) and
/// how far an evaluation in `f32` may be from these (`single`).
#[derive(Clone)]
pub(super) struct Enclosed {
    pub values: Array2<f64>,
    pub exact: Array1<f64>,
    pub single: Array1<f64>,
    /// By column, a number that no value exceeds, nor the sum without signs of the terms that it is the sum of: whatever the order
    /// in which an evaluation takes linear maps, what it rounds is no larger.
    pub largest: Array1<f64>,
}

impl Enclosed {
    fn of_weights(weights: ArrayView2<'_, f32>) -> Self {
        let values = weights.mapv(f64::from);
        let largest = values.axis_iter(Axis(1)).map(largest).collect();
        Self { largest, ..Self::zeros(values) }
    }

    /// Values without errors, of size 0.
    fn zeros(values: Array2<f64>) -> Self {
        let zeros = || Array1::zeros(values.ncols());
        Self { exact: zeros(), single: zeros(), largest: zeros(), values }
    }

    /// `self W`, both given with their errors.
    fn times(&self, weights: ArrayView2<'_, f32>) -> Self {
        let weights = weights.mapv(f64::from);
        let absolute = weights.mapv(f64::abs);
        let size = self.largest.dot(&absolute) * SAFE;
        let inner = weights.nrows();
        let rounding = |unit: f64| &size * gamma(inner + 1, unit);
        let exact = (self.exact.dot(&absolute) + rounding(UNIT)) * SAFE;
        let single =
            (self.single.dot(&absolute) + rounding(SINGLE_UNIT) + inner as f64 * f64::from(f32::MIN_POSITIVE)) * SAFE;
        let largest = in_single_range((size + &exact + &single) * SAFE);
        Self { values: times(self.values.view(), weights.view()), exact, single, largest }
    }

    /// The sum of two, or of a table and a row that is added to all of it.
    fn plus(&self, other: &Self) -> Self {
        let size = &self.largest + &other.largest;
        let exact = (&self.exact + &other.exact + &size * UNIT) * SAFE;
        let single = (&self.single + &other.single + &size * SINGLE_UNIT) * SAFE;
        let largest = in_single_range((size + &exact + &single) * SAFE);
        Self { values: &self.values + &other.values, exact, single, largest }
    }

    /// The product of two.
    fn product(&self, other: &Self) -> Self {
        let size = &self.largest * &other.largest;
        let error = |a: &Array1<f64>, b: &Array1<f64>, unit: f64| {
            (a * &other.largest + b * &self.largest + a * b + &size * unit) * SAFE
        };
        let exact = error(&self.exact, &other.exact, UNIT);
        let single = error(&self.single, &other.single, SINGLE_UNIT) + f64::from(f32::MIN_POSITIVE);
        let largest = in_single_range((size + &exact + &single) * SAFE);
        Self { values: &self.values * &other.values, exact, single, largest }
    }

    fn beside(&self, other: &Self) -> Self {
        let rows =
            concatenate(Axis(1), &[self.values.view(), other.values.view()]).expect("rows for the same elements");
        let side = |a: &Array1<f64>, b: &Array1<f64>| concatenate(Axis(0), &[a.view(), b.view()]).expect("vectors");
        Self {
            values: rows,
            exact: side(&self.exact, &other.exact),
            single: side(&self.single, &other.single),
            largest: side(&self.largest, &other.largest),
        }
    }

    fn is_finite(&self) -> bool {
        [&self.exact, &self.single, &self.largest].iter().all(|values| values.iter().all(|v| v.is_finite()))
    }
}

/// A value of the network as a function of x plus one of y, where it is that.
#[derive(Clone)]
struct Value {
    left: Option<Enclosed>,
    right: Option<Enclosed>,
}

impl Value {
    fn map(&self, f: impl Fn(&Enclosed) -> Enclosed) -> Self {
        Self { left: self.left.as_ref().map(&f), right: self.right.as_ref().map(&f) }
    }

    fn width(&self) -> usize {
        self.left.as_ref().or(self.right.as_ref()).map_or(0, |value| value.values.ncols())
    }

    /// Channels that are not 0, those of both sides; others are not multiplied.
    fn channels(&self) -> usize {
        let of = |side: &Enclosed| side.largest.iter().filter(|size| **size > 0.0).count();
        [&self.left, &self.right].into_iter().flatten().map(of).sum()
    }

    /// With a row added at every x.
    fn with_row(mut self, row: ArrayView1<'_, f32>, n: usize) -> Self {
        let rows = Enclosed::of_weights(row.broadcast((n, row.len())).expect("a row for each"));
        self.left = Some(match &self.left {
            Some(left) => left.plus(&rows),
            None => rows,
        });
        self
    }

    fn or_zeros(side: &Option<Enclosed>, n: usize, width: usize) -> Enclosed {
        side.clone().unwrap_or_else(|| Enclosed::zeros(Array2::zeros((n, width))))
    }

    fn zip(&self, other: &Self, n: usize, f: impl Fn(&Enclosed, &Enclosed) -> Enclosed) -> Self {
        let widths = (self.width(), other.width());
        let both = |a: &Option<Enclosed>, b: &Option<Enclosed>| {
            (a.is_some() || b.is_some()).then(|| f(&Self::or_zeros(a, n, widths.0), &Self::or_zeros(b, n, widths.1)))
        };
        Self { left: both(&self.left, &other.left), right: both(&self.right, &other.right) }
    }
}

/// A network with one hidden layer in real arithmetic.
pub(super) struct Layer {
    pub left: Enclosed,
    pub right: Enclosed,
    pub is_product: bool,
    pub function: Activation,
    /// W_U and what is added to the logits, exact: (width, n), (n).
    pub unembedding: Array2<f64>,
    pub offset: Array1<f64>,
    /// By class, the sum without signs of the terms that `offset` is the sum of.
    offset_size: Array1<f64>,
    /// How far `offset` may be from the true one.
    pub offset_error: f64,
    /// The absolute values of what is added to the neurons before they are read.
    after_size: Array1<f64>,
    /// By neuron, how far its value at any pair may be from the true one, and how far one in `f32` may be.
    pub exact: Array1<f64>,
    pub single: Array1<f64>,
    /// By neuron, its largest absolute value.
    pub largest: Array1<f64>,
    /// Multiply-adds that the maps took.
    pub operations: u64,
}

/// The step that makes the neurons.
struct Neurons<'a> {
    name: &'a str,
    maps: Value,
    is_product: bool,
    function: Activation,
    /// What is added to them before they are read.
    after: Option<&'a str>,
}

/// The values of a network's steps, as far as they have been read.
struct Steps<'a> {
    network: &'a Network,
    values: HashMap<&'a str, Value>,
    neurons: Option<Neurons<'a>>,
    operations: u64,
}

impl<'a> Steps<'a> {
    fn value(&self, step: &Step, name: &str) -> Result<Value> {
        let expected =
            "an input that is a function of x plus one of y: certificates are of networks with one hidden layer";
        self.values.get(name).cloned().ok_or_else(|| Error::description(&step.name, expected, format!("`{name}`")))
    }

    fn parameter(&self, step: &Step, name: &str) -> Result<ArrayView2<'a, f32>> {
        let there = self.network.parameter(name);
        there.ok_or_else(|| Error::description(&step.name, "a parameter of the network", format!("`{name}`")))
    }

    /// Reads a step before the unembedding.
    fn read(&mut self, step: &'a Step) -> Result<()> {
        let n = self.network.order();
        let wrong = |expected: &str, got: String| Error::description(&step.name, expected, got);
        let all = |inputs: &[String], f: fn(&Enclosed, &Enclosed) -> Enclosed| {
            let mut all: Option<Value> = None;
            for name in inputs {
                let next = self.value(step, name)?;
                all = Some(all.map_or_else(|| next.clone(), |all| all.zip(&next, n, f)));
            }
            all.ok_or_else(|| wrong("an input", "none".into()))
        };
        let value = match &step.operation {
            Operation::Embed { tokens, table, .. } if tokens.len() == 1 => {
                let rows = self.parameter(step, table)?.slice_move(ndarray::s![..n, ..]);
                let enclosed = Some(Enclosed::of_weights(rows));
                match tokens[0] {
                    Token::Left => Value { left: enclosed, right: None },
                    Token::Right => Value { left: None, right: enclosed },
                    _ => return Err(wrong("an embedding of x or y", "a constant token".into())),
                }
            }
            Operation::Linear { input, weight, bias, .. } => {
                let (value, weight) = (self.value(step, input)?, self.parameter(step, weight)?);
                let bias = bias.as_ref().map(|bias| self.parameter(step, bias)).transpose()?;
                self.operations += (value.channels() * n * weight.ncols()) as u64;
                let value = value.map(|value| value.times(weight));
                match bias {
                    Some(bias) => value.with_row(bias.row(0), n),
                    None => value,
                }
            }
            Operation::Sum { inputs } => all(inputs, Enclosed::plus)?,
            Operation::Concatenate { inputs } => all(inputs, Enclosed::beside)?,
            Operation::Product { inputs } if inputs.len() == 2 => {
                let (a, b) = (self.value(step, &inputs[0])?, self.value(step, &inputs[1])?);
                let maps = match (a.left, a.right, b.left, b.right) {
                    (Some(left), None, None, Some(right)) | (None, Some(right), Some(left), None) => {
                        Value { left: Some(left), right: Some(right) }
                    }
                    _ => return Err(wrong("a product of a function of x and one of y", "another".into())),
                };
                let function = Activation::Identity;
                self.neurons = Some(Neurons { name: &step.name, maps, is_product: true, function, after: None });
                return Ok(());
            }
            Operation::Activate { input, function, bias } if self.neurons.is_none() => {
                if !matches!(function, Activation::Relu | Activation::Square | Activation::Identity) {
                    let expected = "relu, square or identity, which can be bounded exactly";
                    return Err(wrong(expected, format!("{function:?}")));
                }
                let (maps, after) = (self.value(step, input)?, bias.as_deref());
                self.neurons = Some(Neurons { name: &step.name, maps, is_product: false, function: *function, after });
                return Ok(());
            }
            operation => {
                let kind = format!("{operation:?}");
                let kind = kind.split([' ', '{']).next().unwrap_or_default().to_string();
                let expected = "an embedding, a linear map, a sum, a concatenation, one product or activation function, or the \
                                unembedding: certificates are of networks with one hidden layer";
                return Err(wrong(expected, format!("a step of kind `{kind}`")));
            }
        };
        self.values.insert(&step.name, value);
        Ok(())
    }

    /// The layer that an unembedding reads.
    fn layer(mut self, step: &Step, input: &str, weight: &str, bias: Option<&str>) -> Result<Layer> {
        let n = self.network.order();
        let (maps, is_product, function, after) = match self.neurons.take() {
            Some(Neurons { name, maps, is_product, function, after }) if name == input => {
                (maps, is_product, function, after)
            }
            None => (self.value(step, input)?, false, Activation::Identity, None),
            Some(neurons) => {
                let expected = format!("an unembedding that reads `{}`", neurons.name);
                return Err(Error::description(&step.name, &expected, format!("`{input}`")));
            }
        };
        let unembedding = self.parameter(step, weight)?.slice_move(ndarray::s![.., ..n]).mapv(f64::from);
        let mut offset = Array1::<f64>::zeros(n);
        let (mut offset_size, mut offset_error) = (Array1::<f64>::zeros(n), 0.0);
        let mut after_size = Array1::zeros(unembedding.nrows());
        if let Some(bias) = bias {
            offset += &self.parameter(step, bias)?.slice(ndarray::s![0, ..n]).mapv(f64::from);
            offset_size += &offset.mapv(f64::abs);
        }
        if let Some(after) = after {
            let after = self.parameter(step, after)?.row(0).mapv(f64::from);
            after_size = after.mapv(f64::abs);
            offset_size += &after_size.dot(&unembedding.mapv(f64::abs));
            offset_error = gamma(after.len() + 2, UNIT) * largest(&offset_size) * SAFE;
            offset += &after.dot(&unembedding);
        }
        let width = unembedding.nrows();
        let (left, right) = (Value::or_zeros(&maps.left, n, width), Value::or_zeros(&maps.right, n, width));
        let written = Written { unembedding, offset, offset_size, offset_error, after_size };
        let layer = Layer::of_maps(left, right, is_product, function, written, self.operations);
        let (what, expected) = ("bound of a neuron", "a finite number");
        if layer.is_finite() { Ok(layer) } else { Err(Error::Range { what, expected, got: f64::INFINITY }) }
    }
}

impl Layer {
    /// The layer of a network whose steps are embeddings, linear maps, sums and concatenations up to one sum or product, one
    /// activation function and the unembedding.
    ///
    /// # Errors
    /// [`Error::Description`] naming the step that is another; [`Error::Range`] where a bound overflows.
    pub fn new(network: &Network) -> Result<Self> {
        let mut steps = Steps { network, values: HashMap::new(), neurons: None, operations: 0 };
        for step in &network.architecture().steps {
            match &step.operation {
                Operation::Unembed { input, weight, bias, .. } => {
                    return steps.layer(step, input, weight, bias.as_deref());
                }
                _ => steps.read(step)?,
            }
        }
        Err(Error::description("logits", "an unembedding", "none"))
    }

    fn of_maps(
        left: Enclosed,
        right: Enclosed,
        is_product: bool,
        function: Activation,
        written: Written,
        operations: u64,
    ) -> Self {
        // At the largest values of both: no pair is farther off.
        let pre = if is_product { left.row().product(&right.row()) } else { left.row().plus(&right.row()) };
        let neurons = if function == Activation::Square { pre.product(&pre) } else { pre };
        let Enclosed { exact, single, largest, .. } = neurons;
        let Written { unembedding, offset, offset_size, offset_error, after_size } = written;
        Self {
            left,
            right,
            is_product,
            function,
            unembedding,
            offset,
            offset_size,
            offset_error,
            after_size,
            exact,
            single,
            largest,
            operations,
        }
    }

    fn is_finite(&self) -> bool {
        let own = [&self.exact, &self.single, &self.largest, &self.offset];
        let weights = self.unembedding.iter().chain(&self.left.values).chain(&self.right.values);
        weights.into_iter().all(|v| v.is_finite())
            && self.single_error().is_finite()
            && self.left.is_finite()
            && self.right.is_finite()
            && own.iter().all(|values| values.iter().all(|v| v.is_finite()))
    }

    /// A bound on how far a logit of a forward pass in `f32` may be from the true one, at any pair; infinite where such a pass may
    /// overflow.
    pub fn single_error(&self) -> f64 {
        let width = self.unembedding.nrows();
        let absolute = self.unembedding.mapv(f64::abs);
        // A bias of the neurons is added to them, with a rounding of its own, before they are read.
        let neurons = (&self.largest + &self.single + &self.after_size) * SAFE;
        let of_neurons = (&self.single + &neurons * SINGLE_UNIT) * SAFE;
        let (size, error) = (neurons.dot(&absolute) + &self.offset_size, of_neurons.dot(&absolute));
        if in_single_range(size.clone()).iter().any(|size| size.is_infinite()) {
            return f64::INFINITY;
        }
        let rounding = gamma(width + 3, SINGLE_UNIT) * &size;
        (largest(&(error + rounding)) + (width + 2) as f64 * f64::from(f32::MIN_POSITIVE)) * SAFE
    }
}

/// What a layer writes.
struct Written {
    unembedding: Array2<f64>,
    offset: Array1<f64>,
    offset_size: Array1<f64>,
    offset_error: f64,
    after_size: Array1<f64>,
}

impl Enclosed {
    /// The largest values, as if of one element.
    fn row(&self) -> Self {
        let values = self.largest.clone().insert_axis(Axis(0));
        Self { values, exact: self.exact.clone(), single: self.single.clone(), largest: self.largest.clone() }
    }
}

/// A neuron of two values of its maps.
pub(super) fn neuron(is_product: bool, function: Activation, left: f64, right: f64) -> f64 {
    let value = if is_product { left * right } else { left + right };
    match function {
        Activation::Relu => value.max(0.0),
        Activation::Square => value * value,
        _ => value,
    }
}
