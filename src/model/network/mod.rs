//! Networks as values: a description, numbers for its parameters, and all that follows from the two.
//!
//! | file | what |
//! |---|---|
//! | `architecture` | the description: named steps over named values |
//! | `operation` | the kinds of steps: what each reads, its parameters, the shape of its value |
//! | `activation` | activation functions and their derivatives |
//! | `dependence` | what a value depends on |
//! | `parameters` | names, shapes and places of parameters |
//! | `published` | the networks of the papers, as descriptions |
//! | `lowering` | from steps to a plan |
//! | `plan` | the description, lowered to matrices of n rows and nodes of n^2 rows |
//! | `rows` | nonlinear steps, forward and backward |
//! | `matrices` | the matrices of a plan, and gradients taken back to the parameters |
//! | `forward`, `backward` | passes over a block of pairs |
//! | `sums` | what gradients are summed up for, over a segment of pairs and over all segments |
//! | `weighted` | gradients of rows weighted by attention, in vector registers |
//! | `gradients` | gradients of logits with respect to the embedded elements |
//! | `columns` | channels of a site at all pairs |
//! | `passes` | loss and gradient over a set of pairs |
//! | `lanes` | loss and gradient of small networks side by side |

mod activation;
mod architecture;
mod backward;
pub(super) mod columns;
mod dependence;
mod forward;
mod gradients;
#[cfg(feature = "train")]
mod lanes;
mod lowering;
mod matrices;
mod operation;
mod parameters;
mod passes;
pub(super) mod plan;
mod published;
pub(super) mod rows;
mod sums;
mod weighted;

pub use activation::Activation;
pub use architecture::{Architecture, Initial, Step};
pub use dependence::Dependence;
pub use gradients::OnGradients;
#[cfg(feature = "train")]
pub(crate) use lanes::{LANES, LanePairs, Lanes};
pub use operation::{Layout, Operation, Token};
pub use parameters::Parameter;
#[cfg(feature = "train")]
pub(crate) use passes::Passes;
pub(crate) use passes::lock;
pub use published::{Normalisation, Transformer};

use super::{ActivationCache, Combiner, ForwardPass, Hooks, Interpretable, NeuronFunction, Readout, Separable, Site};
use crate::error::{Error, Result, check_shape};
use crate::linalg::Aligned;
use crate::memory;
use crate::task::Pair;
use architecture::at;
use forward::{Kept, Numbers};
use matrices::Matrices;
use ndarray::{Array1, Array2, Array3, ArrayView2, s};
use operation::Shape;
use plan::{Plan, Recent, Request};
use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// A network: an [`Architecture`], the order of its group, and numbers for its parameters.
///
/// ```
/// use irreplens::model::{Architecture, Hooks, Interpretable, Network};
/// use irreplens::{group::Cyclic, task::Task};
/// let network = Network::zeros(Architecture::summed(8), 5)?;
/// let evaluation = network.evaluate(&Task::new(&Cyclic::new(5)?), &Hooks::none())?;
/// assert!((evaluation.loss - 5f64.ln()).abs() < 1e-6); // a guess
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone)]
pub struct Network {
    description: Arc<Description>,
    numbers: Vec<f32>,
    /// What follows from the numbers, made when it is asked for.
    derived: Arc<Derived>,
}

/// An architecture and what follows from it and an order.
struct Description {
    architecture: Architecture,
    order: usize,
    shapes: Vec<Shape>,
    parameters: Vec<Parameter>,
    sites: Vec<Site>,
    readout: String,
}

/// What follows from the numbers.
#[derive(Default)]
struct Derived {
    prepared: Recent<Prepared, 16>,
    split: OnceLock<Option<Split>>,
    path: OnceLock<Option<Array2<f32>>>,
    unembedding: OnceLock<Array2<f32>>,
}

pub(super) struct Prepared {
    pub plan: Plan,
    matrices: Matrices,
}

/// The maps x -> site and y -> site, and how they are put together.
struct Split {
    site: String,
    left: Array2<f32>,
    right: Array2<f32>,
    combiner: Combiner,
}

impl Description {
    fn new(architecture: Architecture, order: usize) -> Result<Self> {
        if order == 0 {
            return Err(Error::GroupParameter { group: "any group", expected: "an order from 1 up", got: 0 });
        }
        let shapes = architecture.shapes(order)?;
        let parameters = parameters::of(&architecture, &shapes, order)?;
        let sites = architecture.sites_of(&shapes);
        let read = architecture.read_by_unembedding().expect("shapes were checked");
        let positions = shapes[architecture.index(read).expect("shapes were checked")].positions;
        let readout = if positions > 1 { at(read, positions - 1) } else { read.to_owned() };
        Ok(Self { order, shapes, parameters, sites, readout, architecture })
    }

    fn plan(&self, request: &Request) -> Plan {
        Plan::new(self, request)
    }
}

impl Network {
    /// A network whose parameters are all 0.
    ///
    /// # Errors
    /// [`Error::Description`] naming the step that does not fit; [`Error::GroupParameter`] for order 0; [`Error::Memory`]
    /// for parameters over the budget.
    pub fn zeros(architecture: Architecture, order: usize) -> Result<Self> {
        let description = Description::new(architecture, order)?;
        let count = description.parameters.last().map_or(0, |last| last.range.end);
        memory::check("parameters of a network", memory::bytes::<f32>(&[count]))?;
        Ok(Self { description: Arc::new(description), numbers: vec![0.0; count], derived: Arc::default() })
    }

    /// A network with these parameters: by name, each a matrix (in, out), or (1, width) for a vector.
    ///
    /// # Errors
    /// The errors of [`zeros`](Network::zeros); [`Error::Description`] naming a parameter that is not there, twice there or
    /// unknown, with the step that wants it; [`Error::Shape`] naming one of another shape.
    ///
    /// ```
    /// use irreplens::model::{Architecture, Network};
    /// use ndarray::Array2;
    /// let tables = ["W_E_a", "W_E_b"].map(|name| (name, Array2::ones((5, 8))));
    /// let weights = tables.into_iter().chain([("W_U", Array2::ones((8, 5)))]);
    /// let network = Network::with_parameters(Architecture::summed(8), 5, weights)?;
    /// assert_eq!(network.parameters().len(), 120);
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn with_parameters<'a>(
        architecture: Architecture,
        order: usize,
        values: impl IntoIterator<Item = (&'a str, Array2<f32>)>,
    ) -> Result<Self> {
        let mut network = Self::zeros(architecture, order)?;
        let description = Arc::clone(&network.description);
        let mut seen = vec![false; description.parameters.len()];
        for (name, array) in values {
            let found = description.parameters.iter().position(|p| p.name == name).filter(|&i| !seen[i]);
            let Some(i) = found else {
                return Err(match description.parameters.iter().zip(&seen).find(|(_, seen)| !**seen) {
                    None => Error::description(name, "no more parameters", format!("`{name}`")),
                    Some((p, _)) => Error::description(&p.step, format!("`{}`", p.name), format!("`{name}`")),
                });
            };
            let parameter = &description.parameters[i];
            check_shape(name, &parameter.matrix, array.shape())?;
            seen[i] = true;
            network.numbers[parameter.range.clone()].iter_mut().zip(&array).for_each(|(to, from)| *to = *from);
        }
        match description.parameters.iter().zip(&seen).find(|(_, seen)| !**seen) {
            None => Ok(network),
            Some((missing, _)) => {
                let expected = format!("`{}` of shape {:?}", missing.name, missing.shape);
                Err(Error::description(&missing.step, expected, "none"))
            }
        }
    }

    /// [`Architecture::one_layer`] with its weights: embeddings (n, e), `weight` (2e, d), `bias` (d) added after the ReLU,
    /// `unembed` (d, n).
    ///
    /// # Errors
    /// [`Error::Shape`] naming the weight that does not fit; the errors of [`zeros`](Network::zeros).
    pub fn one_layer(
        embed_left: Array2<f32>,
        embed_right: Array2<f32>,
        weight: Array2<f32>,
        bias: Option<Array1<f32>>,
        unembed: Array2<f32>,
    ) -> Result<Self> {
        let ((n, e), d) = (embed_left.dim(), weight.ncols());
        let architecture = match bias {
            None => Architecture::one_layer(e, d),
            Some(_) => Architecture::one_layer_with_bias(e, d),
        };
        let bias = bias.map(|bias| ("b", bias.insert_axis(ndarray::Axis(0))));
        let weights = [("W_E_a", embed_left), ("W_E_b", embed_right), ("W", weight)];
        Self::with_parameters(architecture, n, weights.into_iter().chain(bias).chain([("W_U", unembed)]))
    }

    /// [`Architecture::summed`] with its weights: embeddings (n, d) and `unembed` (d, n).
    ///
    /// # Errors
    /// [`Error::Shape`] naming the weight that does not fit; the errors of [`zeros`](Network::zeros).
    pub fn summed(embed_left: Array2<f32>, embed_right: Array2<f32>, unembed: Array2<f32>) -> Result<Self> {
        let (n, d) = embed_left.dim();
        let weights = [("W_E_a", embed_left), ("W_E_b", embed_right), ("W_U", unembed)];
        Self::with_parameters(Architecture::summed(d), n, weights)
    }

    /// [`Architecture::two_layer`] with its weights: embeddings (n, e), `weight` (e, d), `unembed` (d, n).
    ///
    /// # Errors
    /// [`Error::Shape`] naming the weight that does not fit; the errors of [`zeros`](Network::zeros).
    pub fn two_layer(
        embed_left: Array2<f32>,
        embed_right: Array2<f32>,
        weight: Array2<f32>,
        unembed: Array2<f32>,
    ) -> Result<Self> {
        let ((n, e), d) = (embed_left.dim(), weight.ncols());
        let weights = [("W_E_a", embed_left), ("W_E_b", embed_right), ("W", weight), ("W_U", unembed)];
        Self::with_parameters(Architecture::two_layer(e, d), n, weights)
    }

    /// [`Architecture::bilinear`] with its weights: embeddings (n, d) and `unembed` (d, n).
    ///
    /// # Errors
    /// [`Error::Shape`] naming the weight that does not fit; the errors of [`zeros`](Network::zeros).
    pub fn bilinear(embed_left: Array2<f32>, embed_right: Array2<f32>, unembed: Array2<f32>) -> Result<Self> {
        let (n, d) = embed_left.dim();
        let weights = [("W_E_a", embed_left), ("W_E_b", embed_right), ("W_U", unembed)];
        Self::with_parameters(Architecture::bilinear(d), n, weights)
    }

    /// This network with a vector (n) added to the logits, as `nn.Linear` has one by default.
    ///
    /// # Errors
    /// [`Error::Shape`] unless it has one entry an element.
    pub fn with_output_bias(self, bias: Array1<f32>) -> Result<Self> {
        check_shape("b_U", &[self.order()], bias.shape())?;
        let architecture = self.architecture().clone().with_output_bias();
        let mut network = Self::zeros(architecture, self.order())?;
        let before = self.numbers.len();
        network.numbers[..before].copy_from_slice(&self.numbers);
        network.numbers[before..].iter_mut().zip(&bias).for_each(|(to, from)| *to = *from);
        Ok(network)
    }

    /// What it computes.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.description.architecture
    }

    /// Its parameter tensors, in the order in which [`parameters`](Network::parameters) holds them.
    #[must_use]
    pub fn weights(&self) -> &[Parameter] {
        &self.description.parameters
    }

    /// All parameters, tensor after tensor, each row-major as (in, out).
    #[must_use]
    pub fn parameters(&self) -> &[f32] {
        &self.numbers
    }

    /// All parameters, to write to.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        self.derived = Arc::default();
        &mut self.numbers
    }

    /// A parameter by name: (in, out), or (1, width) for a vector; `None` for a name that the architecture lacks.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<ArrayView2<'_, f32>> {
        self.weights().iter().find(|p| p.name == name).map(|p| p.of(&self.numbers))
    }

    pub(super) fn prepared(&self, request: Request) -> Arc<Prepared> {
        let make = |request: &Request| {
            let plan = self.description.plan(request);
            Ok::<_, Infallible>(Prepared { matrices: self.matrices(&plan), plan })
        };
        let Ok(prepared) = self.derived.prepared.get(request, make);
        prepared
    }

    fn numbers<'a>(&'a self, prepared: &'a Prepared) -> Numbers<'a> {
        let (parameters, numbers) = (&self.description.parameters[..], &self.numbers[..]);
        Numbers { plan: &prepared.plan, parameters, numbers, matrices: &prepared.matrices }
    }

    fn matrices(&self, plan: &Plan) -> Matrices {
        let mut matrices = Matrices::default();
        matrices.compute(plan, &self.description.parameters, &self.numbers);
        matrices
    }

    /// The arrays of some matrices of a plan of matrices alone.
    fn arrays<const N: usize>(&self, plan: &Plan, ids: [usize; N]) -> [Array2<f32>; N] {
        let matrices = self.matrices(plan);
        ids.map(|id| matrices.place(plan, &self.description.parameters, &self.numbers, id).view().to_owned())
    }

    #[cfg(feature = "train")]
    pub(super) fn plan_of_gradients(&self) -> Plan {
        self.description.plan(&Request { hooked: Vec::new(), kept: vec![super::LOGITS.into()], backward: true })
    }

    #[cfg(feature = "cuda")]
    pub(super) fn matrix<'a>(&'a self, prepared: &'a Prepared, id: usize) -> ArrayView2<'a, f32> {
        self.numbers(prepared).place(id).view()
    }

    fn split(&self) -> Option<&Split> {
        let make = || {
            let (plan, split) = Plan::split(&self.description)?;
            let [left, right] = self.arrays(&plan, [split.left, split.right]);
            let combiner = if split.is_product { Combiner::Product } else { Combiner::Sum };
            Some(Split { site: split.site, left, right, combiner })
        };
        self.derived.split.get_or_init(make).as_ref()
    }

    /// The table's rows of the first embedding of a token.
    fn embedding(&self, token: Token) -> Option<ArrayView2<'_, f32>> {
        let table = self.architecture().steps.iter().find_map(|step| match &step.operation {
            Operation::Embed { tokens, table, .. } if tokens.contains(&token) => Some(table),
            _ => None,
        })?;
        Some(self.parameter(table)?.slice_move(s![..self.order(), ..]))
    }
}

impl PartialEq for Network {
    fn eq(&self, other: &Self) -> bool {
        let of = |network: &Self| (network.order(), network.architecture().clone());
        self.numbers == other.numbers && of(self) == of(other)
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Network on {} elements, {} parameters:\n{}", self.order(), self.numbers.len(), self.architecture())
    }
}

impl Interpretable for Network {
    fn order(&self) -> usize {
        self.description.order
    }
    fn sites(&self) -> Vec<Site> {
        self.description.sites.clone()
    }
    fn neuron_site(&self) -> &str {
        &self.description.architecture.neurons
    }
    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> Result<ActivationCache> {
        ForwardPass::new(self, pairs, hooks, keep)?;
        let prepared = self.prepared(Request::new(hooks, keep));
        let rows: Vec<[u32; 2]> = pairs.iter().map(|(x, y)| [x.index() as u32, y.index() as u32]).collect();
        let mut values = vec![Aligned::default(); prepared.plan.nodes.len()];
        self.numbers(&prepared).forward(&rows, &mut values, Kept::AsVectors, |site, of, width, by_class| {
            let mut array = as_array(of, pairs.len(), width, by_class);
            hooks.apply(site, pairs, self.order(), &mut array);
            let array = if by_class { array.reversed_axes() } else { array };
            array.as_standard_layout().into_owned().into_raw_vec_and_offset().0
        });
        let mut cache = ActivationCache::default();
        let kept = &prepared.plan.kept;
        for (i, (site, node)) in kept.iter().enumerate() {
            // The last that keeps a node takes it.
            let again = kept[i + 1..].iter().any(|(_, other)| other == node);
            let of = if again { values[*node].clone() } else { std::mem::take(&mut values[*node]) }.into_vec();
            let (width, by_class) = (prepared.plan.nodes[*node].width, prepared.plan.by_class(*node));
            cache.insert(site, as_array(of, pairs.len(), width, by_class));
        }
        Ok(cache)
    }
    fn readout(&self) -> Readout<'_> {
        let last = self.architecture().steps.last().map(|step| &step.operation);
        let Some(Operation::Unembed { weight, bias, extra, .. }) = last else {
            unreachable!("every network ends with an unembedding")
        };
        let (n, whole) = (self.order(), self.parameter(weight).expect("the architecture names it"));
        // Without the columns of classes that are no elements.
        let of_elements = || whole.slice(s![.., ..n]).as_standard_layout().into_owned();
        let unembedding = if *extra == 0 { whole } else { self.derived.unembedding.get_or_init(of_elements).view() };
        let bias = bias.as_ref().and_then(|bias| self.parameter(bias)).map(|bias| bias.slice_move(s![0, ..n]));
        Readout::new(&self.description.readout, unembedding).with_bias(bias)
    }
    fn embeddings(&self) -> Option<(ArrayView2<'_, f32>, ArrayView2<'_, f32>)> {
        let (left, right) = (self.embedding(Token::Left)?, self.embedding(Token::Right)?);
        (left.ncols() == right.ncols()).then_some((left, right))
    }
    fn neuron_path(&self) -> Option<ArrayView2<'_, f32>> {
        let make = || {
            let (plan, map) = Plan::path(&self.description)?;
            let [path] = self.arrays(&plan, [map]);
            Some(path)
        };
        self.derived.path.get_or_init(make).as_ref().map(|path| path.view())
    }
    fn logit_gradients(&self, pairs: &[Pair], classes: &[usize], on_gradients: &mut OnGradients<'_>) -> Result<()> {
        self.embedding_gradients(pairs, classes, on_gradients)
    }
    fn as_separable(&self) -> Option<&dyn Separable> {
        self.split().map(|_| self as &dyn Separable)
    }
    fn neuron_columns(&self, site: &str, range: Range<usize>) -> Result<Array3<f32>> {
        columns::columns(self, site, range)
    }
    #[cfg(feature = "cuda")]
    fn to_device(&self, device: &crate::device::Device) -> Result<super::OnDevice> {
        super::OnDevice::of_network(self.clone(), device)
    }
}

/// The maps of the last site up to the neurons that is a function of x plus, or times, one of y, or else of the first behind them.
///
/// # Panics
/// All methods, for a network without such a site: [`Interpretable::as_separable`] says whether it has one.
impl Separable for Network {
    fn left(&self) -> ArrayView2<'_, f32> {
        self.split().expect("as_separable says whether there are maps").left.view()
    }
    fn right(&self) -> ArrayView2<'_, f32> {
        self.split().expect("as_separable says whether there are maps").right.view()
    }
    fn combiner(&self) -> Combiner {
        self.split().expect("as_separable says whether there are maps").combiner
    }
    fn separable_site(&self) -> &str {
        &self.split().expect("as_separable says whether there are maps").site
    }
    fn neuron_function(&self) -> Option<NeuronFunction<'_>> {
        let (site, read) = (self.separable_site(), &self.description.readout);
        if site == read {
            return Some(NeuronFunction { function: Activation::Identity, bias: None });
        }
        let step = self.architecture().steps.iter().find(|step| step.name == *read)?;
        match &step.operation {
            Operation::Activate { input, function, bias } if input == site => {
                let bias = bias.as_ref().and_then(|bias| self.parameter(bias)).map(|bias| bias.slice_move(s![0, ..]));
                Some(NeuronFunction { function: *function, bias })
            }
            _ => None,
        }
    }
}

/// Values (rows, width), or of the logits (classes, rows), as an array (rows, width).
fn as_array(values: Vec<f32>, rows: usize, width: usize, by_class: bool) -> Array2<f32> {
    let fits = "as many values a row";
    match by_class {
        false => Array2::from_shape_vec((rows, width), values).expect(fits),
        true => Array2::from_shape_vec((width, rows), values).expect(fits).reversed_axes(),
    }
}
