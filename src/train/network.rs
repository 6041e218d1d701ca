use super::gradient::Passes;
use crate::checkpoint::{Layers, ModelKind, RunConfig, Tensor, Tensors, matrix, no_other_bias, vector};
use crate::error::{Error, Result};
use crate::group::Fingerprint;
use crate::memory;
use crate::model::{Bilinear, Interpretable, OfGroup, OneLayerMlp, SummedMlp, TwoLayerMlp};
use crate::task::Split;
use ndarray::{Array1, Array2, ArrayD, ArrayView2};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};
use std::ops::Range;
use std::path::Path;

/// Which of the library's models, and how wide.
///
/// ```
/// use irreplens::train::Architecture;
/// assert_eq!(Architecture::one_layer(256, 128).weights(106).len(), 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// The kind of model.
    pub kind: ModelKind,
    /// Width of each embedding.
    pub embed_dim: usize,
    /// Number of neurons; `embed_dim` in the models whose neurons are the combined embeddings.
    pub hidden_dim: usize,
    /// Whether a vector is added to the logits.
    pub output_bias: bool,
}

impl Architecture {
    /// [`OneLayerMlp`] without a bias.
    #[must_use]
    pub fn one_layer(embed_dim: usize, hidden_dim: usize) -> Self {
        Self { kind: ModelKind::OneLayerMlp, embed_dim, hidden_dim, output_bias: false }
    }

    /// [`OneLayerMlp`] with a bias.
    #[must_use]
    pub fn one_layer_with_bias(embed_dim: usize, hidden_dim: usize) -> Self {
        Self { kind: ModelKind::OneLayerMlpWithBias, embed_dim, hidden_dim, output_bias: false }
    }

    /// [`SummedMlp`].
    #[must_use]
    pub fn summed(hidden_dim: usize) -> Self {
        Self { kind: ModelKind::SummedMlp, embed_dim: hidden_dim, hidden_dim, output_bias: false }
    }

    /// [`TwoLayerMlp`].
    #[must_use]
    pub fn two_layer(embed_dim: usize, hidden_dim: usize) -> Self {
        Self { kind: ModelKind::TwoLayerMlp, embed_dim, hidden_dim, output_bias: false }
    }

    /// [`Bilinear`].
    #[must_use]
    pub fn bilinear(hidden_dim: usize) -> Self {
        Self { kind: ModelKind::Bilinear, embed_dim: hidden_dim, hidden_dim, output_bias: false }
    }

    /// This architecture with a vector added to the logits.
    ///
    /// ```
    /// use irreplens::train::Architecture;
    /// let weights = Architecture::summed(8).with_output_bias().weights(5);
    /// assert_eq!((weights.last().unwrap().name, weights.last().unwrap().shape), ("b_U", [1, 5]));
    /// ```
    #[must_use]
    pub fn with_output_bias(self) -> Self {
        Self { output_bias: true, ..self }
    }

    /// Its parameters on a group of `order` elements, in the order in which [`Network::parameters`] holds them.
    #[must_use]
    pub fn weights(&self, order: usize) -> Vec<Weight> {
        let Self { kind, embed_dim: e, hidden_dim: d, output_bias } = *self;
        let scale = |fan_in: usize| 1.0 / (fan_in as f64).sqrt();
        let mut shapes = vec![("W_E_a", [order, e], scale(e)), ("W_E_b", [order, e], scale(e))];
        match kind {
            ModelKind::OneLayerMlp | ModelKind::OneLayerMlpWithBias => {
                shapes.push(("W", [e.saturating_mul(2), d], scale(e.saturating_mul(2))));
            }
            ModelKind::TwoLayerMlp => shapes.push(("W", [e, d], scale(e))),
            ModelKind::SummedMlp | ModelKind::Bilinear | ModelKind::Transformer => {}
        }
        if kind == ModelKind::OneLayerMlpWithBias {
            shapes.push(("b", [1, d], 0.0));
        }
        shapes.push(("W_U", [d, order], scale(d)));
        if output_bias {
            // nn.Linear's: uniform in [-1/sqrt(d), 1/sqrt(d)).
            shapes.push(("b_U", [1, order], scale(d.saturating_mul(3))));
        }
        let mut end = 0;
        let place = |(name, shape, scale): (&'static str, [usize; 2], f64)| {
            let start = end;
            end = shape[0].saturating_mul(shape[1]).saturating_add(end);
            Weight { name, shape, scale, range: start..end }
        };
        shapes.into_iter().map(place).collect()
    }

    /// The widths as `cfg.json` has them.
    #[must_use]
    pub fn layers(&self) -> Layers {
        let hidden_dim = self.kind.has_hidden().then_some(self.hidden_dim);
        let output_bias = self.output_bias.then_some(true);
        Layers { embed_dim: self.embed_dim, hidden_dim, output_bias, other: Default::default() }
    }

    /// Bytes that training takes on a group of `order` elements, by `train` of the n^2 pairs: the task, a split and its
    /// making, the passes over both sets, and the parameters with all that is kept for each. `usize::MAX` if that is less.
    ///
    /// What [`Trainer::new`](super::Trainer::new) asks for before it begins, and the split beside it: to be compared with
    /// the [budget](crate::memory::budget) before there is one.
    ///
    /// ```
    /// use irreplens::train::Architecture;
    /// let gigabytes = |n: usize| Architecture::one_layer(256, 128).training_bytes(n, n * n / 3) / 1_000_000_000;
    /// assert_eq!((gigabytes(106), gigabytes(5040), gigabytes(20_000)), (0, 1, 16));
    /// ```
    #[must_use]
    pub fn training_bytes(&self, order: usize, train: usize) -> usize {
        Split::bytes(order, train).saturating_add(self.trainer_bytes(order, train))
    }

    /// The same without the split.
    pub(super) fn trainer_bytes(&self, order: usize, train: usize) -> usize {
        let pairs = order.saturating_mul(order);
        let parameters = self.weights(order).last().map_or(0, |weight| weight.range.end);
        // One after the other: pairs while they are sorted; the training pairs as they are written and read again.
        let sorted = memory::bytes::<usize>(&[train.max(pairs.saturating_sub(train))]);
        let written = memory::bytes::<u64>(&[3, train]);
        [
            memory::bytes::<u32>(&[pairs]),
            Passes::bytes(*self, order, train, true),
            Passes::bytes(*self, order, pairs.saturating_sub(train), false),
            sorted.max(written),
            // Parameters and two running means, twice, and the gradient; as much again where they are written.
            memory::bytes::<f32>(&[10, parameters]),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    fn check(&self) -> Result<()> {
        if self.kind == ModelKind::Transformer {
            return Err(Error::Unsupported {
                analysis: "training",
                needs: "one of the five networks without attention",
            });
        }
        for (what, width) in [("embed_dim", self.embed_dim), ("hidden_dim", self.hidden_dim)] {
            if width == 0 {
                return Err(Error::Range { what, expected: "an integer from 1 up", got: 0.0 });
            }
        }
        if !self.kind.has_hidden() && self.embed_dim != self.hidden_dim {
            return Err(Error::Range {
                what: "hidden_dim",
                expected: "embed_dim, in a model whose neurons are the combined embeddings",
                got: self.hidden_dim as f64,
            });
        }
        Ok(())
    }
}

impl From<&RunConfig> for Architecture {
    fn from(config: &RunConfig) -> Self {
        let (kind, embed_dim) = (config.model, config.layers.embed_dim);
        let hidden_dim = config.layers.hidden_dim.filter(|_| kind.has_hidden()).unwrap_or(embed_dim);
        Self { kind, embed_dim, hidden_dim, output_bias: config.layers.output_bias == Some(true) }
    }
}

/// One parameter tensor of an [`Architecture`].
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// Its name in a checkpoint.
    pub name: &'static str,
    /// Rows and columns; a bias has one row.
    pub shape: [usize; 2],
    /// Standard deviation of its initial values.
    pub scale: f64,
    /// Where it lies among all parameters, row-major.
    pub range: Range<usize>,
}

impl Weight {
    /// Whether it is a vector in a checkpoint.
    fn is_bias(&self) -> bool {
        self.name.starts_with('b')
    }

    /// The tensor in a vector of all parameters.
    pub(super) fn of<'a>(&self, parameters: &'a [f32]) -> ArrayView2<'a, f32> {
        ArrayView2::from_shape(self.shape, &parameters[self.range.clone()]).expect("as long as its shape says")
    }
}

/// The parameters of a model in training: one vector, cut into tensors by [`Architecture::weights`].
///
/// ```
/// use irreplens::train::{Architecture, Network};
/// use irreplens::model::Interpretable;
/// let network = Network::random(Architecture::one_layer(8, 16), 5, 1)?;
/// assert_eq!(network.model()?.order(), 5);
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network {
    architecture: Architecture,
    order: usize,
    weights: Vec<Weight>,
    parameters: Vec<f32>,
    /// Of the group that it is trained on, once it is.
    group: Option<Fingerprint>,
}

/// Equal parameters of one architecture, on whatever group.
impl PartialEq for Network {
    fn eq(&self, other: &Self) -> bool {
        (self.architecture, self.order, &self.parameters) == (other.architecture, other.order, &other.parameters)
    }
}

impl Network {
    /// Initial parameters as published: independent normal numbers times 1/sqrt(embed) for both embeddings,
    /// 1/sqrt(number of rows) for `W` and `W_U`; `b` starts at 0. An output bias is uniform between plus and minus
    /// 1/sqrt(rows of `W_U`), the default of `nn.Linear`, which the code of Stander et al. 2024 and of Wu et al. 2024 leaves
    /// as it is.
    ///
    /// The numbers are the ziggurat normals of `rand_distr` in `f64` from ChaCha20 seeded with `seed`, tensor after
    /// tensor, row-major, rounded to `f32`; the output bias comes last, so that what comes before does not depend on it.
    ///
    /// # Errors
    /// [`Error::Range`] for a width of 0; [`Error::GroupParameter`] for order 0; [`Error::Memory`] over the budget.
    pub fn random(architecture: Architecture, order: usize, seed: u64) -> Result<Self> {
        let mut network = Self::zeros(architecture, order)?;
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        for weight in network.weights.iter().filter(|weight| weight.scale > 0.0) {
            for parameter in &mut network.parameters[weight.range.clone()] {
                let number: f64 = match weight.name {
                    "b_U" => 3f64.sqrt() * (2.0 * Distribution::<f64>::sample(&StandardUniform, &mut rng) - 1.0),
                    _ => StandardNormal.sample(&mut rng),
                };
                *parameter = (number * weight.scale) as f32;
            }
        }
        Ok(network)
    }

    /// The parameters in the tensors of a checkpoint; tensors of other names are passed over, unless they are biases.
    ///
    /// # Arguments
    /// `path`: the file, for errors.
    ///
    /// # Errors
    /// Those of [`matrix`], [`Error::TensorShape`] for another architecture or group, and [`Error::UnusedBias`].
    pub fn from_tensors(architecture: Architecture, order: usize, path: &Path, tensors: &Tensors) -> Result<Self> {
        let mut network = Self::zeros(architecture, order)?;
        no_other_bias(path, tensors, &network.weights.iter().map(|weight| weight.name).collect::<Vec<_>>())?;
        network.read(path, tensors, "")?.iter().zip(&mut network.parameters).for_each(|(&from, to)| *to = from);
        Ok(network)
    }

    pub(super) fn zeros(architecture: Architecture, order: usize) -> Result<Self> {
        architecture.check()?;
        if order == 0 {
            return Err(Error::GroupParameter { group: "any group", expected: "an order from 1 up", got: 0 });
        }
        let weights = architecture.weights(order);
        memory::check(
            "parameters of a network",
            memory::bytes::<f32>(&[weights.last().map_or(0, |last| last.range.end)]),
        )?;
        let parameters = vec![0.0; weights.last().map_or(0, |last| last.range.end)];
        Ok(Self { architecture, order, weights, parameters, group: None })
    }

    /// The same network, on this group.
    pub(super) fn on_group(self, fingerprint: Fingerprint) -> Self {
        Self { group: Some(fingerprint), ..self }
    }

    /// A vector like the parameters from the tensors whose names start with `prefix`.
    pub(super) fn read(&self, path: &Path, tensors: &Tensors, prefix: &str) -> Result<Vec<f32>> {
        let mut all = Vec::with_capacity(self.parameters.len());
        for weight in &self.weights {
            let name = format!("{prefix}{}", weight.name);
            let (shape, values) = if weight.is_bias() {
                let bias = vector(path, tensors, &[&name])?;
                (vec![1, bias.len()], bias.to_vec())
            } else {
                let weight = matrix(path, tensors, &[&name])?;
                (weight.shape().to_vec(), weight.iter().copied().collect())
            };
            if shape != weight.shape {
                return Err(Error::TensorShape {
                    path: path.into(),
                    tensor: name,
                    expected: weight.shape.to_vec(),
                    got: shape,
                    because: "the architecture and the group of the run",
                });
            }
            all.extend(values);
        }
        Ok(all)
    }

    /// The tensors of a vector like the parameters, with `prefix` before every name.
    pub(super) fn tensors_of(&self, values: &[f32], prefix: &str) -> Tensors {
        let tensor = |weight: &Weight| {
            let shape = if weight.is_bias() { &weight.shape[1..] } else { &weight.shape };
            let values = values[weight.range.clone()].to_vec();
            let array = ArrayD::from_shape_vec(shape, values).expect("as long as its shape says");
            (format!("{prefix}{}", weight.name), Tensor::F32(array))
        };
        self.weights.iter().map(tensor).collect()
    }

    /// The parameters under the names they have in a checkpoint.
    #[must_use]
    pub fn tensors(&self) -> Tensors {
        self.tensors_of(&self.parameters, "")
    }

    /// The model with these parameters; of a network in training it knows its group ([`OfGroup`]).
    ///
    /// # Errors
    /// None for a network made by this type's constructors.
    pub fn model(&self) -> Result<Box<dyn Interpretable>> {
        let weight = |name: &str| -> Array2<f32> { self.weight(name).to_owned() };
        let (left, right, unembed) = (weight("W_E_a"), weight("W_E_b"), weight("W_U"));
        let output_bias = self.architecture.output_bias.then(|| self.weight("b_U").row(0).to_owned());
        macro_rules! finished {
            ($model:expr) => {
                match output_bias {
                    Some(bias) => Box::new($model.with_output_bias(bias)?),
                    None => Box::new($model),
                }
            };
        }
        let model: Box<dyn Interpretable> = match self.architecture.kind {
            ModelKind::OneLayerMlp => finished!(OneLayerMlp::new(left, right, weight("W"), None, unembed)?),
            ModelKind::OneLayerMlpWithBias => {
                let bias: Array1<f32> = weight("b").row(0).to_owned();
                finished!(OneLayerMlp::new(left, right, weight("W"), Some(bias), unembed)?)
            }
            ModelKind::TwoLayerMlp => finished!(TwoLayerMlp::new(left, right, weight("W"), unembed)?),
            ModelKind::SummedMlp => finished!(SummedMlp::new(left, right, unembed)?),
            ModelKind::Bilinear => finished!(Bilinear::new(left, right, unembed)?),
            ModelKind::Transformer => unreachable!("there is no such network in training"),
        };
        Ok(Box::new(OfGroup::with_fingerprint(model, self.group)))
    }

    /// Its architecture.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// Order of the group.
    #[must_use]
    pub fn order(&self) -> usize {
        self.order
    }

    /// Its parameter tensors.
    #[must_use]
    pub fn weights(&self) -> &[Weight] {
        &self.weights
    }

    /// All parameters, tensor after tensor.
    #[must_use]
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// As [`parameters`](Network::parameters), to write to.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// A tensor by name.
    ///
    /// # Panics
    /// If the architecture has none of that name.
    pub(super) fn weight(&self, name: &str) -> ArrayView2<'_, f32> {
        self.place(name).of(&self.parameters)
    }

    pub(super) fn place(&self, name: &str) -> &Weight {
        self.weights.iter().find(|weight| weight.name == name).expect("a tensor of this architecture")
    }
}
