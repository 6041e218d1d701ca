//! A network with one hidden layer in real arithmetic: its maps as intervals, from the weights, and what `f32` makes of them.

use super::interval::{Interval, SINGLE, above, gamma, largest};
use irreplens::model::{Activation, Interpretable, Network, Operation, Step, Token};
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};
use std::collections::HashMap;

/// What a product in `f32` may be off where it is below the smallest normal number, whether or not that is flushed to 0.
const TINY: f64 = f32::MIN_POSITIVE as f64;

/// An error of `f32` of sums of terms whose sizes add up to this: infinite where these, with the error, may be beyond its range.
fn within(size: f64, error: f64) -> f64 {
    match above(size + error, 2) < f64::from(f32::MAX) {
        true => error,
        false => f64::INFINITY,
    }
}

/// A function of x, or one of y.
#[derive(Clone)]
struct Side {
    /// The values, (n, width).
    values: Array2<Interval>,
    /// At least the sum without signs of the products of weights that a value is the sum of: whichever way `f32` goes, it rounds
    /// sums of some of these.
    size: Array2<f64>,
    /// How far a value of a forward pass in `f32` may be from the true one.
    single: Array2<f64>,
}

impl Side {
    fn of_weights(weights: ArrayView2<'_, f32>) -> Self {
        Self {
            values: weights.mapv(|v| Interval::point(v.into())),
            size: weights.mapv(|v| f64::from(v).abs()),
            single: Array2::zeros(weights.dim()),
        }
    }

    fn zeros(n: usize, width: usize) -> Self {
        Self::of_weights(Array2::zeros((n, width)).view())
    }

    /// The product with a matrix of weights.
    fn times(&self, weights: ArrayView2<'_, f32>) -> Self {
        let (inner, width) = weights.dim();
        let absolute = weights.mapv(|v| f64::from(v).abs());
        let computed = (&self.size + &self.single).mapv(|v| above(v, 2));
        let rounding = computed.dot(&absolute).mapv(|v| gamma(inner + 1, SINGLE) * above(v, inner));
        let carried = self.single.dot(&absolute).mapv(|v| above(v, inner));
        let mut values = Array2::from_elem((self.values.nrows(), width), Interval::default());
        for (from, mut to) in self.values.rows().into_iter().zip(values.rows_mut()) {
            for (&value, weights) in from.iter().zip(weights.rows()) {
                // What is 0 adds nothing: half of the channels, where x and y stand side by side.
                if !value.is_zero() {
                    to.zip_mut_with(&weights, |to, &w| *to = to.add(value.mul(Interval::point(w.into()))));
                }
            }
        }
        let size = self.size.dot(&absolute).mapv(|v| above(v, inner));
        let mut single = carried + rounding;
        single.zip_mut_with(&size, |v, size| *v = within(*size, above(*v + inner as f64 * TINY, 6)));
        Self { values, size, single }
    }

    fn plus(&self, other: &Self) -> Self {
        let (size, single) = (&self.size + &other.size, &self.single + &other.single);
        let rounded = (&size + &single) * SINGLE;
        let mut values = self.values.clone();
        values.zip_mut_with(&other.values, |a, b| *a = a.add(*b));
        let size = size.mapv(|v| above(v, 2));
        let mut single = single + rounded;
        single.zip_mut_with(&size, |v, size| *v = within(*size, above(*v, 6)));
        Self { values, size, single }
    }

    fn beside(&self, other: &Self) -> Self {
        let [size, single] = [(&self.size, &other.size), (&self.single, &other.single)]
            .map(|(a, b)| concatenate(Axis(1), &[a.view(), b.view()]).expect("rows for the same elements"));
        let values = concatenate(Axis(1), &[self.values.view(), other.values.view()]);
        Self { values: values.expect("rows for the same elements"), size, single }
    }

    /// By column the largest size and the largest error of `f32`.
    fn largest(&self) -> Array1<[f64; 2]> {
        let most = |values: &Array2<f64>, k: usize| largest(values.column(k).iter().copied());
        (0..self.size.ncols()).map(|k| [most(&self.size, k), most(&self.single, k)]).collect()
    }
}

/// A value of the network: a function of x plus one of y, either of which may be missing.
#[derive(Clone)]
struct Value {
    sides: [Option<Side>; 2],
    width: usize,
}

impl Value {
    fn map(&self, width: usize, f: impl Fn(&Side) -> Side) -> Self {
        Self { sides: self.sides.each_ref().map(|side| side.as_ref().map(&f)), width }
    }

    /// A side of it, or zeros.
    fn side(&self, i: usize, n: usize) -> Side {
        self.sides[i].clone().unwrap_or_else(|| Side::zeros(n, self.width))
    }

    fn zip(&self, other: &Self, n: usize, width: usize, f: impl Fn(&Side, &Side) -> Side) -> Self {
        let both = |i: usize| {
            let has = self.sides[i].is_some() || other.sides[i].is_some();
            has.then(|| f(&self.side(i, n), &other.side(i, n)))
        };
        Self { sides: [both(0), both(1)], width }
    }
}

/// How a neuron follows from a value of each map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Neuron {
    is_product: bool,
    function: Activation,
}

impl Neuron {
    /// The neuron of two numbers, as `f64` rounds it.
    pub fn of(self, left: f64, right: f64) -> f64 {
        let value = if self.is_product { left * right } else { left + right };
        match self.function {
            Activation::Relu => value.max(0.0),
            Activation::Square => value * value,
            _ => value,
        }
    }

    /// The neuron of two intervals.
    pub fn enclosed(self, left: Interval, right: Interval) -> Interval {
        let value = if self.is_product { left.mul(right) } else { left.add(right) };
        match self.function {
            Activation::Relu => value.relu(),
            Activation::Square => value.square(),
            _ => value,
        }
    }

    /// Size and error of `f32`, at most, of the neuron of two numbers of which these are the sizes and errors.
    fn single(self, [a, of_a]: [f64; 2], [b, of_b]: [f64; 2]) -> [f64; 2] {
        let [size, error] = match self.is_product {
            true => [a * b, a * of_b + b * of_a + of_a * of_b + SINGLE * (a + of_a) * (b + of_b) + TINY],
            false => [a + b, of_a + of_b + SINGLE * (a + b + of_a + of_b)],
        };
        let size = above(size, 2);
        let error = within(size, above(error, 8));
        match self.function {
            Activation::Square => {
                let of_square = 2.0 * size * error + error * error + SINGLE * (size + error) * (size + error) + TINY;
                let size = above(size * size, 2);
                [size, within(size, above(of_square, 8))]
            }
            _ => [size, error],
        }
    }
}

/// A network with one hidden layer, in real arithmetic.
pub(super) struct Layer {
    /// The maps x -> neurons and y -> neurons, (n, width) each.
    pub maps: [Array2<Interval>; 2],
    pub neuron: Neuron,
    /// What each neuron writes, exact: (width, n).
    pub unembedding: Array2<f64>,
    /// What is added to each logit.
    pub offset: Vec<Interval>,
    /// How far a logit of a forward pass in `f32` may be from the true one, at most.
    pub single_error: f64,
}

/// What is read by the unembedding, and is no sum of a function of x and one of y.
struct Hidden<'a> {
    name: &'a str,
    value: Value,
    neuron: Neuron,
    bias: Option<&'a str>,
}

/// Goes through the steps of a network.
struct Walk<'a> {
    network: &'a Network,
    n: usize,
    values: HashMap<&'a str, Value>,
    hidden: Option<Hidden<'a>>,
}

impl Layer {
    /// The layer of a network whose steps are embeddings of x and y, linear maps, sums and concatenations up to one product or
    /// activation function, and the unembedding.
    ///
    /// # Errors
    /// The step that is another, by its name; numbers that are not finite.
    pub fn new(network: &Network) -> Result<Self, String> {
        if network.parameters().iter().any(|v| !v.is_finite()) {
            return Err("expected a network with finite weights, got one that is not".into());
        }
        let mut walk = Walk { network, n: network.order(), values: HashMap::new(), hidden: None };
        for step in &network.architecture().steps {
            if let Operation::Unembed { input, weight, bias, .. } = &step.operation {
                return walk.unembed(step, input, weight, bias.as_deref());
            }
            walk.take(step)?;
        }
        Err("expected a network that ends in an unembedding, got one that does not".into())
    }

    /// The neuron k at a pair, true.
    pub fn at(&self, x: usize, y: usize, k: usize) -> Interval {
        self.neuron.enclosed(self.maps[0][[x, k]], self.maps[1][[y, k]])
    }
}

fn wrong(step: &Step, expected: &str, got: impl std::fmt::Display) -> String {
    format!("expected a network with one hidden layer, and at its step `{}` {expected}, got {got}", step.name)
}

impl<'a> Walk<'a> {
    fn input(&self, step: &Step, name: &str) -> Result<Value, String> {
        let found = self.values.get(name).cloned();
        found.ok_or_else(|| wrong(step, "a function of x plus one of y to read", format!("`{name}`")))
    }

    fn parameter(&self, step: &Step, name: &str) -> Result<ArrayView2<'a, f32>, String> {
        let found = self.network.parameter(name);
        found.ok_or_else(|| wrong(step, "a parameter of the network", format!("`{name}`")))
    }

    /// Takes a step before the unembedding.
    fn take(&mut self, step: &'a Step) -> Result<(), String> {
        let value = match &step.operation {
            Operation::Embed { tokens, table, .. } => self.embedding(step, tokens, table)?,
            Operation::Linear { input, weight, bias, .. } => self.linear(step, input, weight, bias.as_deref())?,
            Operation::Sum { inputs } => self.folded(step, inputs, |n, a, b| a.zip(&b, n, a.width, Side::plus))?,
            Operation::Concatenate { inputs } => {
                self.folded(step, inputs, |n, a, b| a.zip(&b, n, a.width + b.width, Side::beside))?
            }
            Operation::Product { inputs } => return self.product(step, inputs),
            Operation::Activate { input, function, bias } => {
                return self.activation(step, input, *function, bias.as_deref());
            }
            other => {
                let kind = format!("{other:?}");
                let kind = kind.split([' ', '{']).next().unwrap_or_default().to_lowercase();
                let expected =
                    "an embedding, a linear map, a sum, a concatenation, a product or an activation function";
                return Err(wrong(step, expected, format!("`{kind}`")));
            }
        };
        self.values.insert(&step.name, value);
        Ok(())
    }

    fn embedding(&self, step: &Step, tokens: &[Token], table: &str) -> Result<Value, String> {
        let rows = Side::of_weights(self.parameter(step, table)?.slice_move(s![..self.n, ..]));
        let width = rows.values.ncols();
        let sides = match tokens {
            [Token::Left] => [Some(rows), None],
            [Token::Right] => [None, Some(rows)],
            _ => return Err(wrong(step, "an embedding of x alone or y alone", "other tokens")),
        };
        Ok(Value { sides, width })
    }

    fn linear(&self, step: &Step, input: &str, weight: &str, bias: Option<&str>) -> Result<Value, String> {
        let (value, weight) = (self.input(step, input)?, self.parameter(step, weight)?);
        let value = value.map(weight.ncols(), |side| side.times(weight));
        let Some(bias) = bias else { return Ok(value) };
        let row = self.parameter(step, bias)?;
        let rows = row.broadcast((self.n, value.width)).ok_or_else(|| wrong(step, "a row", "a bias that is none"))?;
        let bias = Value { sides: [Some(Side::of_weights(rows)), None], width: value.width };
        // A function of x that is the bias alone is added to none.
        let left = match &value.sides[0] {
            Some(_) => value.side(0, self.n).plus(&bias.side(0, self.n)),
            None => bias.side(0, self.n),
        };
        let [_, right] = value.sides;
        Ok(Value { sides: [Some(left), right], width: value.width })
    }

    fn folded(
        &self,
        step: &Step,
        inputs: &[String],
        f: impl Fn(usize, Value, Value) -> Value,
    ) -> Result<Value, String> {
        let mut all: Option<Value> = None;
        for name in inputs {
            let next = self.input(step, name)?;
            all = Some(match all {
                Some(all) => f(self.n, all, next),
                None => next,
            });
        }
        all.ok_or_else(|| wrong(step, "something to read", "nothing"))
    }

    fn product(&mut self, step: &'a Step, inputs: &[String]) -> Result<(), String> {
        let factors = inputs.iter().map(|name| self.input(step, name)).collect::<Result<Vec<_>, _>>()?;
        let sides: Vec<&[Option<Side>; 2]> = factors.iter().map(|value| &value.sides).collect();
        let sides = match sides[..] {
            [[Some(left), None], [None, Some(right)]] | [[None, Some(right)], [Some(left), None]] => {
                [Some(left.clone()), Some(right.clone())]
            }
            _ => return Err(wrong(step, "a product of a function of x and one of y", "another")),
        };
        let (value, neuron) =
            (Value { sides, width: factors[0].width }, Neuron { is_product: true, function: Activation::Identity });
        self.hide(step, Hidden { name: &step.name, value, neuron, bias: None })
    }

    fn activation(
        &mut self,
        step: &'a Step,
        input: &str,
        function: Activation,
        bias: Option<&'a str>,
    ) -> Result<(), String> {
        if !matches!(function, Activation::Relu | Activation::Square | Activation::Identity) {
            return Err(wrong(step, "relu, the square or the identity", format!("`{function:?}`").to_lowercase()));
        }
        let (value, neuron) = (self.input(step, input)?, Neuron { is_product: false, function });
        self.hide(step, Hidden { name: &step.name, value, neuron, bias })
    }

    fn hide(&mut self, step: &Step, hidden: Hidden<'a>) -> Result<(), String> {
        match self.hidden.replace(hidden) {
            None => Ok(()),
            Some(earlier) => Err(wrong(step, "no second layer", format!("one behind `{}`", earlier.name))),
        }
    }

    fn unembed(mut self, step: &Step, input: &'a str, weight: &str, bias: Option<&str>) -> Result<Layer, String> {
        let hidden = match self.hidden.take() {
            Some(hidden) if hidden.name == input => hidden,
            Some(hidden) => return Err(wrong(step, &format!("`{}` to read", hidden.name), format!("`{input}`"))),
            None => {
                let neuron = Neuron { is_product: false, function: Activation::Identity };
                Hidden { name: input, value: self.input(step, input)?, neuron, bias: None }
            }
        };
        let n = self.n;
        let unembedding = self.parameter(step, weight)?.slice_move(s![.., ..n]).mapv(f64::from);
        let row = |name: Option<&str>, width: usize| match name {
            Some(name) => Ok::<_, String>(self.parameter(step, name)?.slice(s![0, ..width]).mapv(f64::from)),
            None => Ok(Array1::zeros(width)),
        };
        let (on_logits, on_neurons) = (row(bias, n)?, row(hidden.bias, unembedding.nrows())?);
        let sides = [0, 1].map(|i| hidden.value.side(i, n));
        let single_error = single_error(&sides, hidden.neuron, &unembedding, &on_logits, &on_neurons);
        let offset = (0..n).map(|z| {
            let of_neurons = on_neurons.iter().zip(unembedding.column(z));
            let terms = of_neurons.filter(|(b, _)| **b != 0.0);
            terms.fold(Interval::point(on_logits[z]), |sum, (&b, &u)| {
                sum.add(Interval::point(b).mul(Interval::point(u)))
            })
        });
        let offset: Vec<Interval> = offset.collect();
        let maps = sides.map(|side| side.values);
        let mut numbers = maps.iter().flatten().chain(&offset);
        match numbers.all(|v| v.is_finite()) && single_error.is_finite() {
            true => Ok(Layer { maps, neuron: hidden.neuron, unembedding, offset, single_error }),
            false => Err("expected a network whose values are within the range of f32, got larger ones".into()),
        }
    }
}

/// How far a logit in `f32` may be from the true one, at any pair: neurons at their largest, added up in any order, with and
/// without the biases.
fn single_error(
    sides: &[Side; 2],
    neuron: Neuron,
    unembedding: &Array2<f64>,
    on_logits: &Array1<f64>,
    on_neurons: &Array1<f64>,
) -> f64 {
    let width = unembedding.nrows();
    let [left, right] = [0, 1].map(|i| sides[i].largest());
    let mut sizes = Array1::<f64>::zeros(width);
    let mut errors = Array1::<f64>::zeros(width);
    for k in 0..width {
        let [size, error] = neuron.single(left[k], right[k]);
        let bias = on_neurons[k].abs();
        // Where there is a bias, adding it rounds.
        let adding = if bias == 0.0 { 0.0 } else { SINGLE * (size + error + bias) };
        (sizes[k], errors[k]) = (above(size + bias + error + adding, 6), above(error + adding, 6));
    }
    let absolute = unembedding.mapv(f64::abs);
    let (sizes, errors) = (sizes.dot(&absolute), errors.dot(&absolute));
    let of_class = |z: usize| {
        let size = above(sizes[z] + on_logits[z].abs(), width + 2);
        within(size, above(above(errors[z], width) + gamma(width + 2, SINGLE) * size, 4))
    };
    let most = largest((0..sizes.len()).map(of_class));
    above(most + (width + 2) as f64 * TINY, 4)
}
