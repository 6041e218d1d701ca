//! The network of a run as its `cfg.json` says it: by a published name, or step by step.

use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::config::Layers;
use crate::model::{Architecture, Operation, Transformer};

/// A published network, by its name in `cfg.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ModelKind {
    /// `relu([E_a[x], E_b[y]] W) W_U`.
    #[serde(rename = "OneLayerMLP")]
    OneLayerMlp,
    /// `(relu([E_a[x], E_b[y]] W) + b) W_U`.
    #[serde(rename = "OneLayerMLPwithBias")]
    OneLayerMlpWithBias,
    /// `relu(E_a[x] + E_b[y]) W_U`.
    #[serde(rename = "BetterOneLayerMLP")]
    SummedMlp,
    /// `relu(relu(E_a[x] + E_b[y]) W) W_U`.
    #[serde(rename = "BetterTwoLayerMLP")]
    TwoLayerMlp,
    /// `(E_a[x] * E_b[y]) W_U`, elementwise product.
    #[serde(rename = "BilinearNet")]
    Bilinear,
    /// A transformer as TransformerLens builds it: of weights that are read, as wide as these are.
    Transformer,
}

impl ModelKind {
    /// Whether the network has a layer of `hidden_dim` neurons.
    pub fn has_hidden(self) -> bool {
        matches!(self, Self::OneLayerMlp | Self::OneLayerMlpWithBias | Self::TwoLayerMlp)
    }

    /// The description of the network of this name: of a transformer as it was published ([`Transformer::default`]),
    /// whatever the widths.
    ///
    /// # Arguments
    /// `hidden`: number of neurons, of the networks that have a layer of them; the others have as many as `embed`.
    ///
    /// ```
    /// use irreplens::{checkpoint::ModelKind, model::Architecture};
    /// assert_eq!(ModelKind::SummedMlp.architecture(8, 0, false), Architecture::summed(8));
    /// ```
    #[must_use]
    pub fn architecture(self, embed: usize, hidden: usize, output_bias: bool) -> Architecture {
        let architecture = match self {
            Self::OneLayerMlp => Architecture::one_layer(embed, hidden),
            Self::OneLayerMlpWithBias => Architecture::one_layer_with_bias(embed, hidden),
            Self::SummedMlp => Architecture::summed(embed),
            Self::TwoLayerMlp => Architecture::two_layer(embed, hidden),
            Self::Bilinear => Architecture::bilinear(embed),
            Self::Transformer => return Transformer::default().architecture(),
        };
        if output_bias { architecture.with_output_bias() } else { architecture }
    }
}

/// The names of all networks, in the order in which [`ModelSettings::of`] tries them.
const KINDS: [ModelKind; 6] = [
    ModelKind::OneLayerMlp,
    ModelKind::OneLayerMlpWithBias,
    ModelKind::SummedMlp,
    ModelKind::TwoLayerMlp,
    ModelKind::Bilinear,
    ModelKind::Transformer,
];

/// The network of a run as `model` in its `cfg.json` says it: by name, with the widths of [`Layers`], or by a description.
///
/// ```
/// use irreplens::checkpoint::{ModelKind, ModelSettings};
/// use irreplens::model::{Activation, Architecture};
/// let named: ModelSettings = serde_json::from_str(r#""BilinearNet""#).unwrap();
/// assert_eq!(named, ModelKind::Bilinear.into());
/// let square = Architecture::summed_with(8, Activation::Square);
/// let text = serde_json::to_string(&ModelSettings::of(&square).0).unwrap();
/// assert_eq!(serde_json::from_str::<ModelSettings>(&text).unwrap(), square.into());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ModelSettings {
    /// A published network, by its name.
    Published(ModelKind),
    /// Any other, step by step.
    Described(Architecture),
}

impl From<ModelKind> for ModelSettings {
    fn from(kind: ModelKind) -> Self {
        Self::Published(kind)
    }
}

impl From<Architecture> for ModelSettings {
    fn from(architecture: Architecture) -> Self {
        Self::Described(architecture)
    }
}

impl ModelSettings {
    /// How `cfg.json` says a description: by name and widths where it is that of a published network, else step by step.
    #[must_use]
    pub fn of(architecture: &Architecture) -> (Self, Layers) {
        let widths = architecture.steps.iter().filter_map(|step| match step.operation {
            Operation::Embed { width, .. } => Some((width, None)),
            Operation::Linear { width, .. } => Some((0, Some(width))),
            _ => None,
        });
        let (embed, hidden) = widths.fold((0, None), |(e, d), (width, of_linear)| (e.max(width), d.or(of_linear)));
        for (kind, bias) in KINDS.into_iter().flat_map(|kind| [(kind, false), (kind, true)]) {
            if kind.architecture(embed, hidden.unwrap_or(embed), bias) != *architecture {
                continue;
            }
            let layers = match kind {
                ModelKind::Transformer => Layers::default(),
                _ => Layers {
                    embed_dim: embed,
                    hidden_dim: hidden.filter(|_| kind.has_hidden()),
                    output_bias: bias.then_some(true),
                    other: Map::new(),
                },
            };
            return (kind.into(), layers);
        }
        (architecture.clone().into(), Layers::default())
    }

    /// Whether the network is a published one of this name.
    #[must_use]
    pub fn is(&self, kind: ModelKind) -> bool {
        *self == Self::Published(kind)
    }
}
