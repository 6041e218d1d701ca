//! The kinds of steps: what each computes, reads and asks for, and the shape of its value.

use super::activation::Activation;
use super::architecture::{Initial, Step};
use super::dependence::Dependence;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What masked attention scores hold: TransformerLens's `IGNORE`, far below any score, so that their softmax is 0.
pub(super) const MASKED: f32 = -1e5;

/// A token of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Token {
    /// The left element x: row x of the table.
    Left,
    /// The right element y: row y of the table.
    Right,
    /// A constant token, counted from 0 behind the elements: row n + i of the table. The `=` of published transformers is
    /// number 0.
    Constant(usize),
}

/// How a matrix of a [`Linear`](Operation::Linear) step lies in a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// (in, out), as in `x W`.
    #[default]
    Plain,
    /// (out, in), as `nn.Linear` has it.
    Transposed,
    /// (heads, in, width of a head), as TransformerLens has W_Q, W_K and W_V.
    HeadsOut {
        /// Number of heads.
        heads: usize,
    },
    /// (heads, width of a head, out), as TransformerLens has W_O.
    HeadsIn {
        /// Number of heads.
        heads: usize,
    },
}

impl Layout {
    fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

/// What one step computes.
///
/// Every value has positions, one unless tokens are embedded as a sequence, and a row of channels at each. Only
/// [`Scores`](Operation::Scores) and [`Mix`](Operation::Mix) look from one position at others, and
/// [`Select`](Operation::Select) and [`Unembed`](Operation::Unembed) take one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operation {
    /// `table[token]`, a position for every token.
    Embed {
        /// The tokens, in the order of their positions.
        tokens: Vec<Token>,
        /// The parameter (n + constants, width) whose rows they are.
        table: String,
        /// Its width.
        width: usize,
        /// Rows of the table behind those of the elements, at least those of its constant tokens.
        #[serde(default, skip_serializing_if = "is_zero")]
        constants: usize,
    },
    /// A learnt row for each position, whatever stands there.
    Positions {
        /// The parameter (rows, width).
        table: String,
        /// Number of positions.
        positions: usize,
        /// Its width.
        width: usize,
        /// Rows of the parameter, where they are more than the positions.
        #[serde(default, skip_serializing_if = "is_zero")]
        rows: usize,
    },
    /// `input W + b`.
    Linear {
        /// What is multiplied.
        input: String,
        /// The parameter W (width of the input, width).
        weight: String,
        /// The parameter b (width), if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bias: Option<String>,
        /// Width of the result.
        width: usize,
        /// How W lies in a checkpoint.
        #[serde(default, skip_serializing_if = "Layout::is_plain")]
        layout: Layout,
    },
    /// The sum of values of one shape, `a + b + ...`: a residual stream is a chain of these.
    Sum {
        /// What is added.
        inputs: Vec<String>,
    },
    /// The elementwise product of values of one shape.
    Product {
        /// What is multiplied.
        inputs: Vec<String>,
    },
    /// The channels of all inputs, one after the other, at every position.
    Concatenate {
        /// What is put side by side.
        inputs: Vec<String>,
    },
    /// `f(input) + b`.
    Activate {
        /// What f is applied to.
        input: String,
        /// The activation function f.
        function: Activation,
        /// The parameter b (width) added afterwards, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bias: Option<String>,
    },
    /// Attention scores `q . k / sqrt(width of a head)` of every query position with all positions up to it: (key position,
    /// head) at each query position. Positions behind the query are masked and hold -100000.
    Scores {
        /// The queries: (head, width of a head) at each position.
        query: String,
        /// The keys, of the queries' shape.
        key: String,
        /// Number of heads.
        heads: usize,
    },
    /// The attention pattern: the softmax of scores over the key positions, for every head; 0 behind the query.
    Softmax {
        /// The value of a [`Scores`](Operation::Scores) step.
        scores: String,
    },
    /// The values of all positions, weighted by the pattern, for every head: (head, width of a head) at each position.
    Mix {
        /// The value of a [`Softmax`](Operation::Softmax) step.
        pattern: String,
        /// The values: (head, width of a head) at each position.
        value: String,
    },
    /// `sqrt(variance of the channels + eps)`, by which LayerNorm divides: one channel.
    Deviation {
        /// What is measured.
        input: String,
        /// Added to the variance.
        eps: f64,
    },
    /// LayerNorm: `(input - mean of its channels) / deviation`, times w and plus b where these are not folded into what
    /// follows.
    Normalise {
        /// What is normalised.
        input: String,
        /// The value of a [`Deviation`](Operation::Deviation) step.
        deviation: String,
        /// The parameter w (width), if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weight: Option<String>,
        /// The parameter b (width), if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bias: Option<String>,
    },
    /// One position of a value.
    Select {
        /// The value.
        input: String,
        /// The position, from 0.
        position: usize,
    },
    /// Logits: `input W_U + b_U` at the last position, of which the first n are kept. Always the last step.
    Unembed {
        /// What is read.
        input: String,
        /// The parameter W_U (width of the input, n + extra).
        weight: String,
        /// The parameter b_U (n + extra), if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bias: Option<String>,
        /// Columns for special tokens behind those of the elements, which are left out.
        #[serde(default, skip_serializing_if = "is_zero")]
        extra: usize,
        /// How W_U lies in a checkpoint.
        #[serde(default, skip_serializing_if = "Layout::is_plain")]
        layout: Layout,
    },
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Operation {
    /// The names of the values that it reads.
    #[must_use]
    pub fn inputs(&self) -> Vec<&str> {
        match self {
            Self::Embed { .. } | Self::Positions { .. } => Vec::new(),
            Self::Linear { input, .. }
            | Self::Activate { input, .. }
            | Self::Deviation { input, .. }
            | Self::Select { input, .. }
            | Self::Unembed { input, .. } => vec![input],
            Self::Sum { inputs } | Self::Product { inputs } | Self::Concatenate { inputs } => {
                inputs.iter().map(String::as_str).collect()
            }
            Self::Scores { query, key, .. } => vec![query, key],
            Self::Softmax { scores } => vec![scores],
            Self::Mix { pattern, value } => vec![pattern, value],
            Self::Normalise { input, deviation, .. } => vec![input, deviation],
        }
    }
}

/// A parameter that a step asks for.
pub(super) struct Wanted<'a> {
    pub name: &'a str,
    /// Rows and columns as it is computed with; a vector is one row.
    pub matrix: [usize; 2],
    /// Its shape in a checkpoint.
    pub shape: Vec<usize>,
    pub layout: Layout,
    /// The distribution of its initial values, unless the network says otherwise.
    pub initial: Initial,
}

impl<'a> Wanted<'a> {
    fn matrix(name: &'a str, matrix: [usize; 2], layout: Layout, fan: usize) -> Self {
        let shape = match layout {
            Layout::Plain => matrix.to_vec(),
            Layout::Transposed => vec![matrix[1], matrix[0]],
            Layout::HeadsOut { heads } => vec![heads, matrix[0], matrix[1] / heads],
            Layout::HeadsIn { heads } => vec![heads, matrix[0] / heads, matrix[1]],
        };
        Self { name, matrix, shape, layout, initial: Initial::Normal(1.0 / (fan as f64).sqrt()) }
    }

    /// A vector, where the step has one.
    fn vector(name: &'a Option<String>, width: usize, initial: Initial) -> Option<Self> {
        let name = name.as_deref()?;
        Some(Self { name, matrix: [1, width], shape: vec![width], layout: Layout::Plain, initial })
    }
}

impl Operation {
    /// The parameters of a step on a group of `order` elements.
    ///
    /// `width_of`: the width of a value that it reads.
    pub(super) fn parameters(&self, order: usize, width_of: impl Fn(&str) -> usize) -> Vec<Wanted<'_>> {
        let zero = Initial::Constant(0.0);
        match self {
            Self::Embed { tokens, table, width, constants } => {
                let needed = tokens.iter().map(|t| if let Token::Constant(i) = t { i + 1 } else { 0 }).max();
                let rows = order.saturating_add((*constants).max(needed.unwrap_or(0)));
                vec![Wanted::matrix(table, [rows, *width], Layout::Plain, *width)]
            }
            Self::Positions { table, positions, width, rows } => {
                vec![Wanted::matrix(table, [(*rows).max(*positions), *width], Layout::Plain, *width)]
            }
            Self::Linear { input, weight, bias, width, layout } => {
                let rows = width_of(input);
                let bias = Wanted::vector(bias, *width, zero).map(|bias| match layout {
                    Layout::HeadsOut { heads } => Wanted { shape: vec![*heads, width / heads], ..bias },
                    _ => bias,
                });
                [Wanted::matrix(weight, [rows, *width], *layout, rows)].into_iter().chain(bias).collect()
            }
            Self::Activate { input, bias, .. } => Wanted::vector(bias, width_of(input), zero).into_iter().collect(),
            Self::Normalise { input, weight, bias, .. } => {
                let vectors = [(weight, Initial::Constant(1.0)), (bias, zero)];
                let of = |(name, initial)| Wanted::vector(name, width_of(input), initial);
                vectors.into_iter().filter_map(of).collect()
            }
            Self::Unembed { input, weight, bias, extra, layout } => {
                let (rows, columns) = (width_of(input), order.saturating_add(*extra));
                let bias = Wanted::vector(bias, columns, Initial::Uniform(1.0 / (rows as f64).sqrt()));
                [Wanted::matrix(weight, [rows, columns], *layout, rows)].into_iter().chain(bias).collect()
            }
            Self::Sum { .. }
            | Self::Product { .. }
            | Self::Concatenate { .. }
            | Self::Scores { .. }
            | Self::Softmax { .. }
            | Self::Mix { .. }
            | Self::Deviation { .. }
            | Self::Select { .. } => Vec::new(),
        }
    }
}

/// The shape of a step's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Positions.
    pub positions: usize,
    /// Channels at each.
    pub width: usize,
    /// Heads that the channels are divided into, where they are.
    pub heads: usize,
    /// What each position depends on.
    pub depends: Vec<Dependence>,
}

pub(super) fn shape_of(step: &Step, inputs: &[&Shape], order: usize, last: bool) -> Result<Shape> {
    let bad = |expected: String, got: String| Error::description(&step.name, expected, got);
    let one_shape = || {
        let first = inputs.first().ok_or_else(|| bad("at least one input".into(), "none".into()))?;
        let off = inputs.iter().find(|s| s.positions != first.positions);
        match off {
            None => Ok(first),
            Some(off) => Err(bad(format!("inputs with {} positions", first.positions), format!("{}", off.positions))),
        }
    };
    let together = || -> Vec<Dependence> {
        let positions = inputs.first().map_or(0, |s| s.positions);
        (0..positions).map(|p| inputs.iter().map(|s| s.depends[p]).fold(Dependence::Nothing, Dependence::and)).collect()
    };
    let up_to = |shapes: &[&Shape], p: usize| {
        shapes.iter().flat_map(|s| &s.depends[..=p]).fold(Dependence::Nothing, |all, &d| all.and(d))
    };
    let divided = |shape: &Shape, heads: usize, what: &str| {
        if heads == 0 || !shape.width.is_multiple_of(heads) {
            return Err(bad(format!("{what} that {heads} heads divide"), format!("width {}", shape.width)));
        }
        Ok(())
    };
    Ok(match &step.operation {
        Operation::Embed { tokens, width, constants, .. } => {
            if tokens.is_empty() {
                return Err(bad("at least one token".into(), "none".into()));
            }
            for token in tokens {
                if let Token::Constant(i) = token
                    && *constants > 0
                    && i >= constants
                {
                    return Err(bad(format!("constant tokens below {constants}"), format!("{i}")));
                }
            }
            let of_token = |token: &Token| match token {
                Token::Left => Dependence::Left,
                Token::Right => Dependence::Right,
                Token::Constant(_) => Dependence::Nothing,
            };
            let depends = tokens.iter().map(of_token).collect();
            Shape { positions: tokens.len(), width: *width, heads: 1, depends }
        }
        Operation::Positions { positions, width, rows, .. } => {
            if *positions == 0 {
                return Err(bad("at least one position".into(), "0".into()));
            }
            if *rows > 0 && rows < positions {
                return Err(bad(format!("rows for {positions} positions"), format!("{rows}")));
            }
            Shape { positions: *positions, width: *width, heads: 1, depends: vec![Dependence::Nothing; *positions] }
        }
        Operation::Linear { width, layout, .. } => {
            let input = inputs[0];
            let heads = match layout {
                Layout::HeadsOut { heads } => {
                    if *heads == 0 || !width.is_multiple_of(*heads) {
                        return Err(bad(format!("a width that {heads} heads divide"), format!("{width}")));
                    }
                    *heads
                }
                Layout::HeadsIn { heads } => {
                    divided(input, *heads, "an input")?;
                    1
                }
                Layout::Plain | Layout::Transposed => 1,
            };
            Shape { width: *width, heads, ..input.clone() }
        }
        Operation::Sum { .. } | Operation::Product { .. } => {
            let first = one_shape()?;
            if let Some(off) = inputs.iter().find(|s| s.width != first.width) {
                return Err(bad(format!("inputs of width {}", first.width), format!("width {}", off.width)));
            }
            Shape { depends: together(), ..(*first).clone() }
        }
        Operation::Concatenate { .. } => {
            let first = one_shape()?;
            let width = inputs.iter().fold(0usize, |sum, s| sum.saturating_add(s.width));
            Shape { width, heads: 1, positions: first.positions, depends: together() }
        }
        Operation::Activate { .. } => inputs[0].clone(),
        Operation::Scores { heads, .. } => {
            let [query, key] = [inputs[0], inputs[1]];
            if (query.positions, query.width) != (key.positions, key.width) {
                let of = |s: &Shape| format!("{} positions of width {}", s.positions, s.width);
                return Err(bad(format!("keys with {}", of(query)), of(key)));
            }
            divided(query, *heads, "queries")?;
            let depends = (0..query.positions).map(|p| up_to(&[key], p).and(query.depends[p])).collect();
            Shape { positions: query.positions, width: query.positions.saturating_mul(*heads), heads: *heads, depends }
        }
        Operation::Softmax { .. } => {
            let scores = inputs[0];
            if scores.width != scores.positions * scores.heads {
                let expected = "attention scores: (key position, head) at each position";
                return Err(bad(expected.into(), "another value".into()));
            }
            scores.clone()
        }
        Operation::Mix { .. } => {
            let [pattern, value] = [inputs[0], inputs[1]];
            if pattern.positions != value.positions {
                return Err(bad(format!("values at {} positions", pattern.positions), format!("{}", value.positions)));
            }
            if pattern.width != pattern.positions * pattern.heads {
                let expected = "an attention pattern: (key position, head) at each position";
                return Err(bad(expected.into(), "another value".into()));
            }
            divided(value, pattern.heads, "values")?;
            let depends = (0..value.positions).map(|p| up_to(&[value], p).and(pattern.depends[p])).collect();
            Shape { positions: value.positions, width: value.width, heads: pattern.heads, depends }
        }
        Operation::Deviation { eps, .. } => {
            if !eps.is_finite() || *eps < 0.0 {
                return Err(bad("eps from 0 up".into(), format!("{eps}")));
            }
            Shape { width: 1, heads: 1, ..inputs[0].clone() }
        }
        Operation::Normalise { .. } => {
            let [input, deviation] = [inputs[0], inputs[1]];
            if deviation.width != 1 || deviation.positions != input.positions {
                let got = format!("{} channels at {}", deviation.width, deviation.positions);
                return Err(bad(format!("a deviation: one channel at {} positions", input.positions), got));
            }
            Shape { depends: together(), ..input.clone() }
        }
        Operation::Select { position, .. } => {
            let input = inputs[0];
            if *position >= input.positions {
                return Err(bad(format!("a position below {}", input.positions), format!("{position}")));
            }
            Shape { positions: 1, width: input.width, heads: input.heads, depends: vec![input.depends[*position]] }
        }
        Operation::Unembed { .. } => {
            if !last {
                return Err(bad("the unembedding as the last step".into(), "steps behind it".into()));
            }
            let depends = vec![*inputs[0].depends.last().expect("at least one position")];
            Shape { positions: 1, width: order, heads: 1, depends }
        }
    })
}

/// What it computes, as one would write it on a board.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plus = |bias: &Option<String>| bias.as_ref().map_or_else(String::new, |b| format!(" + {b}"));
        match self {
            Operation::Embed { tokens, table, .. } => {
                let token = |token: &Token| match token {
                    Token::Left => "x".to_owned(),
                    Token::Right => "y".to_owned(),
                    Token::Constant(i) => format!("n + {i}"),
                };
                write!(f, "{table}[{}]", tokens.iter().map(token).collect::<Vec<_>>().join(", "))?;
            }
            Operation::Positions { table, positions, .. } => write!(f, "{table}[0..{positions}]")?,
            Operation::Linear { input, weight, bias, .. } | Operation::Unembed { input, weight, bias, .. } => {
                write!(f, "{input} {weight}{}", plus(bias))?;
            }
            Operation::Sum { inputs } => write!(f, "{}", inputs.join(" + "))?,
            Operation::Product { inputs } => write!(f, "{}", inputs.join(" * "))?,
            Operation::Concatenate { inputs } => write!(f, "[{}]", inputs.join(", "))?,
            Operation::Activate { input, function, bias } => write!(f, "{function}({input}){}", plus(bias))?,
            Operation::Scores { query, key, heads } => write!(f, "{query} . {key} in {heads} heads, causal")?,
            Operation::Softmax { scores } => write!(f, "softmax({scores})")?,
            Operation::Mix { pattern, value } => write!(f, "sum over positions of {pattern} {value}")?,
            Operation::Deviation { input, eps } => write!(f, "sqrt(var({input}) + {eps})")?,
            Operation::Normalise { input, deviation, weight, bias } => {
                let times = weight.as_ref().map_or_else(String::new, |w| format!(" * {w}"));
                write!(f, "({input} - mean) / {deviation}{times}{}", plus(bias))?;
            }
            Operation::Select { input, position } => write!(f, "{input} at position {position}")?,
        }
        Ok(())
    }
}
