//! What a network computes, as data: named steps over named values.

use super::activation::Activation;
use super::dependence::Dependence;
use crate::error::{Error, Result};
use crate::model::{LOGITS, Site};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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

/// A named step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The name of its value, which is that of its site: unique in the network.
    pub name: String,
    /// What it computes.
    #[serde(flatten)]
    pub operation: Operation,
}

/// The distribution of a parameter's initial values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initial {
    /// Independent normal numbers with mean 0 and this standard deviation.
    Normal(f64),
    /// Independent numbers uniform between minus and plus this.
    Uniform(f64),
    /// This number everywhere.
    Constant(f64),
}

/// What a network computes: named steps over named values, from which its sites, passes, gradients and parameters follow.
///
/// An architecture is plain data: it can be compared, printed, written and read with `serde`. It says nothing of the group;
/// with an order it has parameters ([`Architecture::parameters`]), and with numbers for these it is a
/// [`Network`](super::Network).
///
/// ```
/// use irreplens::model::{Activation, Architecture, Token};
/// let architecture = Architecture::new()
///     .embed("embed_left", Token::Left, "W_E_a", 32)
///     .embed("embed_right", Token::Right, "W_E_b", 32)
///     .concatenate("embed_stack", ["embed_left", "embed_right"])
///     .linear("hidden_pre", "embed_stack", "W", 64)
///     .activate("hidden", "hidden_pre", Activation::Gelu)
///     .unembed("hidden", "W_U")
///     .neurons("hidden");
/// assert_eq!(architecture.parameters(113)?.len(), 4);
/// let json = serde_json::to_string(&architecture).unwrap();
/// assert_eq!(serde_json::from_str::<Architecture>(&json).unwrap(), architecture);
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// The steps, each reading values of steps before it. The last one makes `logits`.
    pub steps: Vec<Step>,
    /// The site whose channels are the neurons; of a step with several positions, with the position in brackets.
    pub neurons: String,
    /// Initial values of parameters by name, where they are not the usual ones ([`Architecture::parameters`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub initial: BTreeMap<String, Initial>,
    /// Parameters that training leaves as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<String>,
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

impl Architecture {
    /// No step yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a step.
    #[must_use]
    pub fn step(mut self, name: impl Into<String>, operation: Operation) -> Self {
        self.steps.push(Step { name: name.into(), operation });
        self
    }

    /// Adds an embedding of one token: (width) at one position.
    #[must_use]
    pub fn embed(self, name: &str, token: Token, table: &str, width: usize) -> Self {
        self.embed_sequence(name, &[token], table, width)
    }

    /// Adds an embedding of a sequence of tokens: (width) at each of their positions.
    #[must_use]
    pub fn embed_sequence(self, name: &str, tokens: &[Token], table: &str, width: usize) -> Self {
        self.step(name, Operation::Embed { tokens: tokens.to_vec(), table: table.into(), width, constants: 0 })
    }

    /// Adds a linear map without bias.
    #[must_use]
    pub fn linear(self, name: &str, input: &str, weight: &str, width: usize) -> Self {
        let (input, weight, layout) = (input.into(), weight.into(), Layout::Plain);
        self.step(name, Operation::Linear { input, weight, bias: None, width, layout })
    }

    /// Adds a linear map with a bias.
    #[must_use]
    pub fn linear_with_bias(self, name: &str, input: &str, weight: &str, bias: &str, width: usize) -> Self {
        let (input, weight, layout) = (input.into(), weight.into(), Layout::Plain);
        self.step(name, Operation::Linear { input, weight, bias: Some(bias.into()), width, layout })
    }

    /// Adds a sum.
    #[must_use]
    pub fn sum<const N: usize>(self, name: &str, inputs: [&str; N]) -> Self {
        self.step(name, Operation::Sum { inputs: inputs.map(String::from).to_vec() })
    }

    /// Adds an elementwise product.
    #[must_use]
    pub fn product<const N: usize>(self, name: &str, inputs: [&str; N]) -> Self {
        self.step(name, Operation::Product { inputs: inputs.map(String::from).to_vec() })
    }

    /// Adds a concatenation.
    #[must_use]
    pub fn concatenate<const N: usize>(self, name: &str, inputs: [&str; N]) -> Self {
        self.step(name, Operation::Concatenate { inputs: inputs.map(String::from).to_vec() })
    }

    /// Adds an activation function.
    #[must_use]
    pub fn activate(self, name: &str, input: &str, function: Activation) -> Self {
        self.step(name, Operation::Activate { input: input.into(), function, bias: None })
    }

    /// Adds the unembedding, without a bias, as the last step.
    #[must_use]
    pub fn unembed(self, input: &str, weight: &str) -> Self {
        let (input, weight, layout) = (input.into(), weight.into(), Layout::Plain);
        self.step(LOGITS, Operation::Unembed { input, weight, bias: None, extra: 0, layout })
    }

    /// Says which site's channels are the neurons.
    #[must_use]
    pub fn neurons(self, site: &str) -> Self {
        Self { neurons: site.into(), ..self }
    }

    /// Adds a vector `b_U` to the logits, uniform between plus and minus 1/sqrt(width read) at first, which is the default of
    /// `nn.Linear`.
    ///
    /// # Panics
    /// If the last step is no unembedding.
    #[must_use]
    pub fn with_output_bias(mut self) -> Self {
        match self.steps.last_mut().map(|step| &mut step.operation) {
            Some(Operation::Unembed { bias, .. }) => *bias = Some("b_U".into()),
            _ => panic!("an output bias belongs to an unembedding, which comes first"),
        }
        self
    }

    /// Number of the step of this name.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.name == name)
    }

    /// What the unembedding reads: its input, at the last position.
    pub(super) fn read_by_unembedding(&self) -> Option<&str> {
        match self.steps.last().map(|step| &step.operation) {
            Some(Operation::Unembed { input, .. }) => Some(input),
            _ => None,
        }
    }

    /// The shape of every step's value on a group of `order` elements.
    ///
    /// # Errors
    /// [`Error::Description`] naming the first step that does not fit.
    pub(super) fn shapes(&self, order: usize) -> Result<Vec<Shape>> {
        let mut shapes: Vec<Shape> = Vec::with_capacity(self.steps.len());
        for (i, step) in self.steps.iter().enumerate() {
            let bad = |expected: String, got: String| Error::Description { step: step.name.clone(), expected, got };
            if step.name.is_empty() || step.name.contains(['[', ']']) {
                return Err(bad("a name without brackets".into(), format!("`{}`", step.name)));
            }
            if self.steps[..i].iter().any(|before| before.name == step.name) {
                return Err(bad("a name of its own".into(), "the name of a step before it".into()));
            }
            let inputs = step.operation.inputs().into_iter().map(|name| match self.index(name) {
                Some(j) if j < i => Ok(&shapes[j]),
                Some(j) if j == i => {
                    Err(bad(format!("a value that is there before it, not `{name}`"), "itself".into()))
                }
                Some(_) => Err(bad(
                    format!("`{name}` before it"),
                    format!("`{name}` behind it, so that a value waits for itself"),
                )),
                None => Err(bad(format!("a step named `{name}`"), "none".into())),
            });
            let inputs = inputs.collect::<Result<Vec<_>>>()?;
            let shape = shape_of(step, &inputs, order, i + 1 == self.steps.len())?;
            if shape.width == 0 {
                return Err(bad("a width from 1 up".into(), "0".into()));
            }
            shapes.push(shape);
        }
        let last = self.steps.last();
        if !last.is_some_and(|s| s.name == LOGITS && matches!(s.operation, Operation::Unembed { .. })) {
            return Err(Error::Description {
                step: last.map_or_else(|| LOGITS.into(), |step| step.name.clone()),
                expected: format!("an unembedding named `{LOGITS}` as the last step"),
                got: last.map_or_else(|| "no step".into(), |step| format!("`{}`", step.name)),
            });
        }
        let sites = self.sites_of(&shapes);
        if !sites.iter().any(|site| site.name == self.neurons) {
            return Err(Error::Description {
                step: self.neurons.clone(),
                expected: "neurons at one of the sites".into(),
                got: "no site of that name".into(),
            });
        }
        Ok(shapes)
    }

    /// The sites on a group of `order` elements, in the order in which they are computed.
    ///
    /// A step with one position is a site by its name. One with several is a site by its name, all positions one after the
    /// other, and one site `name[p]` for each position p. Channels are counted by position, then by head, then within the
    /// head: attention scores and patterns by query position, key position and head.
    ///
    /// # Errors
    /// [`Error::Description`] naming the first step that does not fit.
    pub fn sites(&self, order: usize) -> Result<Vec<Site>> {
        Ok(self.sites_of(&self.shapes(order)?))
    }

    pub(super) fn sites_of(&self, shapes: &[Shape]) -> Vec<Site> {
        let mut sites = Vec::new();
        for (step, shape) in self.steps.iter().zip(shapes) {
            if shape.positions > 1 {
                sites.extend((0..shape.positions).map(|p| Site::new(&at(&step.name, p), shape.width)));
            }
            sites.push(Site::new(&step.name, shape.positions.saturating_mul(shape.width)));
        }
        sites
    }

    /// Its parameters on a group of `order` elements, in the order in which steps name them.
    ///
    /// Initial values, unless [`initial`](Architecture::initial) says otherwise: normal with standard deviation
    /// 1/sqrt(width) for embeddings and 1/sqrt(rows) for matrices, 1 for the weights of LayerNorm, 0 for biases, and for
    /// the bias of the unembedding uniform up to 1/sqrt(rows of W_U).
    ///
    /// # Errors
    /// [`Error::Description`] naming the step that does not fit, or that wants a parameter of another shape than a step
    /// before it.
    pub fn parameters(&self, order: usize) -> Result<Vec<super::Parameter>> {
        super::parameters::of(self, &self.shapes(order)?, order)
    }

    /// What each step's value depends on, position by position: by step, in order.
    ///
    /// # Errors
    /// [`Error::Description`] naming the first step that does not fit.
    pub fn dependences(&self, order: usize) -> Result<Vec<(String, Vec<Dependence>)>> {
        let shapes = self.shapes(order)?;
        Ok(self.steps.iter().zip(shapes).map(|(step, shape)| (step.name.clone(), shape.depends)).collect())
    }
}

/// The name of the site of one position.
pub(super) fn at(step: &str, position: usize) -> String {
    format!("{step}[{position}]")
}

fn shape_of(step: &Step, inputs: &[&Shape], order: usize, last: bool) -> Result<Shape> {
    let bad = |expected: String, got: String| Error::Description { step: step.name.clone(), expected, got };
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
                return Err(bad(
                    "attention scores: (key position, head) at each position".into(),
                    "another value".into(),
                ));
            }
            scores.clone()
        }
        Operation::Mix { .. } => {
            let [pattern, value] = [inputs[0], inputs[1]];
            if pattern.positions != value.positions {
                return Err(bad(format!("values at {} positions", pattern.positions), format!("{}", value.positions)));
            }
            if pattern.width != pattern.positions * pattern.heads {
                return Err(bad(
                    "an attention pattern: (key position, head) at each position".into(),
                    "another value".into(),
                ));
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
                return Err(bad(
                    format!("a deviation: one channel at {} positions", input.positions),
                    format!("{} channels at {}", deviation.width, deviation.positions),
                ));
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

/// One step a line, as one would write it on a board.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Step { name, operation }) in self.steps.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{name} = ")?;
            let plus = |bias: &Option<String>| bias.as_ref().map_or_else(String::new, |b| format!(" + {b}"));
            match operation {
                Operation::Embed { tokens, table, .. } => {
                    let token = |token: &Token| match token {
                        Token::Left => "x".to_owned(),
                        Token::Right => "y".to_owned(),
                        Token::Constant(i) => format!("n + {i}"),
                    };
                    write!(f, "{table}[{}]", tokens.iter().map(token).collect::<Vec<_>>().join(", "))?;
                }
                Operation::Positions { table, positions, .. } => write!(f, "{table}[0..{positions}]")?,
                Operation::Linear { input, weight, bias, .. } => write!(f, "{input} {weight}{}", plus(bias))?,
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
                Operation::Unembed { input, weight, bias, .. } => write!(f, "{input} {weight}{}", plus(bias))?,
            }
        }
        Ok(())
    }
}
