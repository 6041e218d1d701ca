//! What a network computes, as data: named steps over named values.

use super::activation::Activation;
use super::dependence::Dependence;
use super::operation::{Layout, Operation, Shape, Token, shape_of};
use crate::error::{Error, Result};
use crate::model::{LOGITS, Site};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

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
            let bad = |expected: &str, got: &str| Error::description(&step.name, expected, got);
            if step.name.is_empty() || step.name.contains(['[', ']']) {
                return Err(bad("a name without brackets", &format!("`{}`", step.name)));
            }
            if self.steps[..i].iter().any(|before| before.name == step.name) {
                return Err(bad("a name of its own", "the name of a step before it"));
            }
            let inputs = step.operation.inputs().into_iter().map(|name| match self.index(name) {
                Some(j) if j < i => Ok(&shapes[j]),
                Some(j) if j == i => Err(bad(&format!("a value that is there before it, not `{name}`"), "itself")),
                Some(_) => {
                    let got = format!("`{name}` behind it, so that a value waits for itself");
                    Err(bad(&format!("`{name}` before it"), &got))
                }
                None => Err(bad(&format!("a step named `{name}`"), "none")),
            });
            let inputs = inputs.collect::<Result<Vec<_>>>()?;
            let shape = shape_of(step, &inputs, order, i + 1 == self.steps.len())?;
            if shape.width == 0 {
                return Err(bad("a width from 1 up", "0"));
            }
            shapes.push(shape);
        }
        let last = self.steps.last();
        if !last.is_some_and(|s| s.name == LOGITS && matches!(s.operation, Operation::Unembed { .. })) {
            let got = last.map_or_else(|| "no step".into(), |step| format!("`{}`", step.name));
            let expected = format!("an unembedding named `{LOGITS}` as the last step");
            return Err(Error::description(last.map_or(LOGITS, |step| &step.name), expected, got));
        }
        let sites = self.sites_of(&shapes);
        if !sites.iter().any(|site| site.name == self.neurons) {
            return Err(Error::description(&self.neurons, "neurons at one of the sites", "no site of that name"));
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

pub(super) fn at(step: &str, position: usize) -> String {
    format!("{step}[{position}]")
}

/// One step a line, as one would write it on a board.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Step { name, operation }) in self.steps.iter().enumerate() {
            let end = if i > 0 { "\n" } else { "" };
            write!(f, "{end}{name} = {operation}")?;
        }
        Ok(())
    }
}
