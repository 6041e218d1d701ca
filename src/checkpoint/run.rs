//! A run directory: `cfg.json` and weights, read as a group and a model.

use super::{GroupKind, ModelKind, RunConfig, Tensors, matrix, read_tensors, vector};
use crate::error::{Error, Result};
use crate::group::{Cyclic, Dihedral, Group};
use crate::model::{Bilinear, Interpretable, OneLayerMlp, SummedMlp, TwoLayerMlp};
use ndarray::Array2;
use std::path::{Path, PathBuf};

const LEFT: &[&str] = &["W_E_a", "W_x", "W1a"];
const RIGHT: &[&str] = &["W_E_b", "W_y", "W1b"];
const WEIGHT: &[&str] = &["W"];
const BIAS: &[&str] = &["b"];
const UNEMBED: &[&str] = &["W_U", "Wfinal"];

/// A training run on disk: a folder with `cfg.json` and `model.safetensors` or `model.pt`.
///
/// ```no_run
/// use irreplens::{checkpoint::Run, model::{Hooks, Interpretable}, task::Task};
/// let run = Run::open("runs/D53")?;
/// let (group, model) = (run.group()?, run.model()?);
/// println!("{:?}", model.evaluate(&Task::new(&group), &Hooks::none())?);
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Run {
    /// The settings.
    pub config: RunConfig,
    /// The weights, by name.
    pub tensors: Tensors,
    weights: PathBuf,
}

impl Run {
    /// Reads the settings and the weights of a folder; `model.safetensors` is preferred to `model.pt`.
    ///
    /// # Errors
    /// Those of [`RunConfig::read`] and [`read_tensors`].
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref();
        let config = RunConfig::read(directory.join("cfg.json"))?;
        let safetensors = directory.join("model.safetensors");
        let weights = if safetensors.exists() { safetensors } else { directory.join("model.pt") };
        Ok(Self { config, tensors: read_tensors(&weights)?, weights })
    }

    /// The group, where its element order is fixed by its name: cyclic and dihedral runs.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a symmetric or alternating group, whose element order has to be read with
    /// [`PermutationGroup::from_json`](crate::group::PermutationGroup::from_json).
    pub fn group(&self) -> Result<Box<dyn Group>> {
        let n = self.config.group_parameter;
        Ok(match self.config.group {
            GroupKind::CyclicGroup => Box::new(Cyclic::new(n)?),
            GroupKind::DihedralGroup => Box::new(Dihedral::new(n)?),
            GroupKind::SymmetricGroup | GroupKind::AlternatingGroup => {
                return Err(Error::Unsupported {
                    analysis: "the group of this run",
                    needs: "the element order it was trained with, as a file of permutations",
                });
            }
        })
    }

    /// The model, with every weight's shape held to the settings.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorDtype`], [`Error::TensorRank`], [`Error::NonFinite`], and
    /// [`Error::TensorShape`] where a weight does not fit the group's order or the layer widths.
    pub fn model(&self) -> Result<Box<dyn Interpretable>> {
        let (n, e) = (self.config.order()?, self.config.layers.embed_dim);
        let kind = self.config.model;
        let d = self.config.layers.hidden_dim.filter(|_| kind.has_hidden()).unwrap_or(e);
        let left = self.weight(LEFT, [n, e], "group order, embed_dim")?;
        let right = self.weight(RIGHT, [n, e], "group order, embed_dim")?;
        let unembed = self.weight(UNEMBED, [d, n], "width read, group order")?;
        Ok(match kind {
            ModelKind::OneLayerMlp | ModelKind::OneLayerMlpWithBias => {
                let weight = self.weight(WEIGHT, [2 * e, d], "twice embed_dim, hidden_dim")?;
                let bias = match kind {
                    ModelKind::OneLayerMlp => None,
                    _ => {
                        let bias = vector(&self.weights, &self.tensors, BIAS)?;
                        self.check(BIAS, &[d], bias.shape(), "hidden_dim")?;
                        Some(bias)
                    }
                };
                Box::new(OneLayerMlp::new(left, right, weight, bias, unembed)?)
            }
            ModelKind::TwoLayerMlp => {
                let weight = self.weight(WEIGHT, [e, d], "embed_dim, hidden_dim")?;
                Box::new(TwoLayerMlp::new(left, right, weight, unembed)?)
            }
            ModelKind::SummedMlp => Box::new(SummedMlp::new(left, right, unembed)?),
            ModelKind::Bilinear => Box::new(Bilinear::new(left, right, unembed)?),
        })
    }

    fn weight(&self, names: &[&str], expected: [usize; 2], because: &'static str) -> Result<Array2<f32>> {
        let weight = matrix(&self.weights, &self.tensors, names)?;
        self.check(names, &expected, weight.shape(), because)?;
        Ok(weight)
    }

    fn check(&self, names: &[&str], expected: &[usize], got: &[usize], because: &'static str) -> Result<()> {
        if expected == got {
            return Ok(());
        }
        let found = names.iter().find(|&&name| self.tensors.contains_key(name)).unwrap_or(&names[0]);
        Err(Error::TensorShape {
            path: self.weights.clone(),
            tensor: (*found).to_owned(),
            expected: expected.to_vec(),
            got: got.to_vec(),
            because,
        })
    }
}
