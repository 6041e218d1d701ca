//! Whether neurons are constant on the cosets of subgroups.

use super::neurons::{DIM, clusters};
use super::table::{Cell, Table};
use super::terms::*;
use crate::error::{Error, Result, check_shape};
use crate::group::{Elem, Group, GroupExt, Subgroup, SubgroupClass, check_fingerprint, subgroup_names};
use crate::linalg::map_blocks;
use crate::model::{Interpretable, check_finite};
use crate::task::Pair;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use std::collections::BTreeMap;
use std::fmt;

/// A neuron is concentrated on the cosets of a subgroup if the concentration of both its maps is below this: the variances on
/// the cosets, all added up, below the variance.
pub const CONCENTRATED: f64 = 1.0;

/// A share of a variance up to this is rounding of `f32` values and counts as 0: where a map is constant on the cosets of
/// several nested subgroups, the largest is then taken.
const ROUNDING: f64 = 1e-14;

/// How far a neuron's two maps vary within the cosets of the subgroups of one conjugacy class, each the least over the
/// conjugates. All are shares of a variance: 0 for a map that is constant on cosets, near
/// [`chance`](CosetMeasures::chance) for one that has nothing to do with them;
/// [`CosetMeasures::concentration`] makes them the paper's concentration.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct CosetShares {
    /// Share of the map x -> neuron, within right cosets H x.
    pub left: f64,
    /// Share of the map y -> neuron, within left cosets y K.
    pub right: f64,
    /// Share of the map x -> neuron within left cosets x H, the other way round.
    pub left_reversed: f64,
    /// Share of the map y -> neuron within right cosets K y, the other way round.
    pub right_reversed: f64,
}

impl CosetShares {
    /// The larger of [`left`](CosetShares::left) and [`right`](CosetShares::right).
    #[must_use]
    pub fn both(&self) -> f64 {
        self.left.max(self.right)
    }
}

/// What one neuron's maps have to do with cosets.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct CosetNeuron {
    /// By class, in the order of [`CosetMeasures::classes`]; `None` for a neuron one of whose maps does not vary.
    pub shares: Option<Vec<CosetShares>>,
    /// The class of the subgroups on whose cosets both maps are concentrated: that with the least
    /// [`concentration`](CosetMeasures::concentration) of the less concentrated map, if it is below [`CONCENTRATED`].
    pub class: Option<usize>,
    /// The subgroups H and K of that class whose cosets H x and y K they are.
    pub subgroups: Option<[Subgroup; 2]>,
}

/// How far every neuron is constant on cosets: what [`cosets`] returns.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct CosetMeasures {
    /// Order n of the group.
    pub order: usize,
    /// The classes looked at, as given.
    pub classes: Vec<SubgroupClass>,
    /// By class, which group its subgroups are, with a letter where several classes are of isomorphic subgroups: those of
    /// [`subgroup_names`].
    pub names: Vec<String>,
    /// By class, the share expected of a map drawn at random, for one subgroup: `(n - n / |H|) / (n - 1)`. The least over
    /// several conjugates is below that; for how far below see [`with_controls`](super::with_controls).
    pub chance: Vec<f64>,
    /// The neurons, by channel of the maps.
    pub neurons: Vec<CosetNeuron>,
}

impl CosetMeasures {
    /// Stander et al.'s concentration of a map on the cosets of the subgroups H of a class,
    /// `C_H(f) = sum over cosets of Var[f on the coset] / Var[f]`, of the share of its variance that lies within them:
    /// `share (n - 1) / (|H| - 1)`, with unbiased variances.
    ///
    /// Chance makes it the number of cosets. NaN for the trivial subgroup.
    ///
    /// # Panics
    /// If there is no such class.
    #[must_use]
    pub fn concentration(&self, class: usize, share: f64) -> f64 {
        concentration(self.order, &self.classes[class], share)
    }

    /// The neurons of every class that has any.
    #[must_use]
    pub fn clusters(&self) -> BTreeMap<usize, Vec<usize>> {
        clusters(self.neurons.iter().map(|neuron| neuron.class))
    }
}

fn concentration(n: usize, class: &SubgroupClass, share: f64) -> f64 {
    share * (n - 1) as f64 / (class.order() - 1) as f64
}

/// Is each neuron constant on the cosets of some subgroup?
///
/// A neuron of a model that has maps ([`Interpretable::maps`]) reads `left[x]` and `right[y]`. Where the one is constant on
/// the right cosets H x and the other on the left cosets y K, it knows of the pair no more than (H x, y K): a coset circuit,
/// of which trained networks have many, with H and K conjugate. The measure is the variance within cosets as a share of the
/// whole, `sum over x of (f(x) - mean of f on the coset of x)^2 / sum over x of (f(x) - mean of f)^2`. A map `u^T rho(x) v` of
/// an irrep is constant on right cosets H x where H fixes u, and on left cosets x H where it fixes v; the second way round is
/// given beside the first.
///
/// # Arguments
/// `classes`: of subgroups, those of [`subgroup_classes`](crate::group::subgroup_classes) or any others. The trivial
/// subgroup (always 0) and the whole group (always 1) may be among them and are the class of no neuron.
///
/// The group is the one the model was trained on; for nothing else does the answer mean anything
/// ([`with_controls`](super::with_controls)).
///
/// # Errors
/// [`Error::Unsupported`] for a model without maps; [`Error::NonFiniteActivation`] for one whose maps overflow;
/// [`Error::Shape`] for a group of another order, [`Error::OtherGroup`] for one that is not the model's;
/// [`Error::UnknownElement`] and [`Error::NotASubgroup`] for subgroups of another group.
///
/// Cost: 4 n width additions for each subgroup: a second for the 1455 subgroups of S6 and 128 neurons.
///
/// ```
/// use irreplens::analysis::cosets;
/// use irreplens::{group::{Dihedral, Group, GroupExt, subgroup_classes}, model::Network};
/// use ndarray::Array2;
/// // A neuron that tells the rotations of a square from its reflections.
/// let group = Dihedral::new(4)?;
/// let side = Array2::from_shape_fn((8, 1), |(x, _)| if x < 4 { 1.0 } else { -1.0 });
/// let net = Network::summed(side.clone(), side.clone(), side.reversed_axes())?;
/// let found = cosets(&net, &group, &subgroup_classes(&group, 100)?)?;
/// let class = &found.classes[found.neurons[0].class.unwrap()];
/// assert!(class.order() == 4 && class.representative.contains(group.element(1))); // the rotations
/// assert_eq!(found.names[found.neurons[0].class.unwrap()], "C4");
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Stander, Yu, Fan, Biderman 2024, "Grokking Group Multiplication with Cosets", section 6.1 (concentration) and
/// section 5.2 (the sides).
pub fn cosets(
    model: &(impl Interpretable + ?Sized),
    group: &(impl Group + ?Sized),
    classes: &[SubgroupClass],
) -> Result<CosetMeasures> {
    let model: &dyn Interpretable = &model;
    let n = model.order();
    check_shape("group of the cosets", &[n], &[group.order()])?;
    check_fingerprint("group of the cosets", model.fingerprint(), group.fingerprint())?;
    let beyond = |class: &SubgroupClass| class.representative.elements().iter().find(|x| x.index() >= n).copied();
    if let Some(x) = classes.iter().find_map(beyond) {
        return Err(Error::UnknownElement { order: n, got: x.index() });
    }
    for subgroup in classes.iter().map(|class| &class.representative) {
        let generated = group.subgroup(subgroup.elements()).len();
        if generated != subgroup.order() {
            return Err(Error::NotASubgroup { group: group.name(), order: subgroup.order(), generated });
        }
    }
    let (left, right) = model.maps().ok_or(Error::Unsupported {
        analysis: "cosets",
        needs: "a model whose neurons read a map of x and a map of y; recorded activations need the two beside them",
    })?;
    let pairs = |pair: fn(Elem, Elem) -> Pair| group.elements().map(|x| pair(x, group.identity())).collect::<Vec<_>>();
    check_finite("map x -> neuron", left, &pairs(|x, e| (x, e)))?;
    check_finite("map y -> neuron", right, &pairs(|y, e| (e, y)))?;
    let (left, right) = (Map::new(left), Map::new(right));
    let width = left.values.ncols();

    crate::memory::check("a Cayley table", crate::memory::bytes::<u32>(&[n, n]))?;
    let table = group.cayley_table();
    let subgroups: Vec<(usize, Subgroup)> = classes
        .iter()
        .enumerate()
        .flat_map(|(c, class)| class.representative.conjugates(&table).into_iter().map(move |h| (c, h)))
        .collect();
    // One block a subgroup: the result does not depend on the number of threads.
    let shares = map_blocks(subgroups.len(), 1, |range| {
        let subgroup = &subgroups[range.start].1;
        let (left_cosets, right_cosets) = (subgroup.left_cosets(&table), subgroup.right_cosets(&table));
        [left.within(&right_cosets), right.within(&left_cosets), left.within(&left_cosets), right.within(&right_cosets)]
    });
    // By neuron and class, the least share and the subgroup it is of.
    let mut least = Array2::from_elem((width, classes.len()), [(f64::INFINITY, 0); 4]);
    for (i, ((class, _), shares)) in subgroups.iter().zip(&shares).enumerate() {
        for (k, least) in least.column_mut(*class).iter_mut().enumerate() {
            for (least, share) in least.iter_mut().zip(shares) {
                if share[k] < least.0 {
                    *least = (share[k], i);
                }
            }
        }
    }
    let neuron = |k: usize| {
        if !left.varies(k) || !right.varies(k) {
            return CosetNeuron { shares: None, class: None, subgroups: None };
        }
        let shares = |&[left, right, left_reversed, right_reversed]: &[(f64, usize); 4]| CosetShares {
            left: left.0,
            right: right.0,
            left_reversed: left_reversed.0,
            right_reversed: right_reversed.0,
        };
        let shares: Vec<CosetShares> = least.row(k).iter().map(shares).collect();
        let proper = (0..classes.len()).filter(|&c| classes[c].order() > 1 && classes[c].order() < n);
        let of_both = |c: usize| concentration(n, &classes[c], shares[c].both().max(ROUNDING));
        let class = proper.filter(|&c| of_both(c) < CONCENTRATED).min_by(|&a, &b| of_both(a).total_cmp(&of_both(b)));
        let subgroups = class.map(|c| {
            let [(_, h), (_, k), ..] = least[[k, c]];
            [subgroups[h].1.clone(), subgroups[k].1.clone()]
        });
        CosetNeuron { shares: Some(shares), class, subgroups }
    };
    let chance = |class: &SubgroupClass| (n - n / class.order()) as f64 / (n.max(2) - 1) as f64;
    Ok(CosetMeasures {
        order: n,
        chance: classes.iter().map(chance).collect(),
        names: subgroup_names(&table, classes)?,
        neurons: (0..width).map(neuron).collect(),
        classes: classes.to_vec(),
    })
}

/// A map from elements to neurons, each neuron's mean removed.
pub(super) struct Map {
    values: Array2<f64>,
    /// Sum of squares of every neuron, the mean removed, and as it was.
    squares: Array1<f64>,
    whole: Array1<f64>,
}

impl Map {
    pub fn new(map: ArrayView2<'_, f32>) -> Self {
        let mut values = map.mapv(f64::from).as_standard_layout().into_owned();
        let squares = |values: &Array2<f64>| values.map_axis(Axis(0), |column| column.dot(&column));
        let whole = squares(&values);
        if let Some(mean) = values.mean_axis(Axis(0)) {
            values -= &mean;
        }
        Self { squares: squares(&values), values, whole }
    }

    /// The number of neurons.
    pub fn width(&self) -> usize {
        self.values.ncols()
    }

    /// Every neuron's map, its mean removed: (n, width).
    pub fn centred(&self) -> ArrayView2<'_, f64> {
        self.values.view()
    }

    /// Sum of squares of a neuron's map, its mean removed.
    pub fn variation(&self, k: usize) -> f64 {
        self.squares[k]
    }

    /// Whether a neuron's map is more than a constant, up to `f32` rounding, and not dim beside the others.
    pub fn varies(&self, k: usize) -> bool {
        self.squares[k] > self.whole[k] * f64::from(f32::EPSILON).powi(2)
            && self.squares[k] > DIM * DIM * self.squares.sum()
    }

    /// The share of every neuron's variance within cosets: 1 less that between them.
    pub fn within(&self, cosets: &[Vec<Elem>]) -> Array1<f64> {
        let mut between = Array1::<f64>::zeros(self.values.ncols());
        let mut sum = Array1::<f64>::zeros(self.values.ncols());
        for coset in cosets {
            sum.fill(0.0);
            for x in coset {
                sum += &self.values.row(x.index());
            }
            between.zip_mut_with(&sum, |b, s| *b += s * s / coset.len() as f64);
        }
        // Rounding may take the share between cosets just above 1.
        1.0 - (between / &self.squares).mapv(|share| share.min(1.0))
    }
}

impl CosetMeasures {
    /// The classes on whose cosets neurons are constant, with the means over these neurons.
    #[must_use]
    pub fn table(&self) -> Table {
        let row = |(c, members): (usize, Vec<usize>)| {
            let mean = |value: &dyn Fn(&CosetShares) -> f64| {
                let values = members.iter().filter_map(|&k| Some(value(&self.neurons[k].shares.as_ref()?[c])));
                values.sum::<f64>() / members.len() as f64
            };
            let class = &self.classes[c];
            vec![
                Cell::text(self.names[c].as_str()),
                Cell::Count(class.order()),
                Cell::Count(class.conjugates),
                Cell::Count(members.len()),
                Cell::Number(mean(&|m| m.left)),
                Cell::Number(mean(&|m| m.right)),
                Cell::Number(self.chance[c]),
                Cell::Number(mean(&|m| self.concentration(c, m.both()))),
            ]
        };
        let columns = vec![CLASS, SUBGROUP, CONJUGATES, WIDTH, WITHIN_LEFT, WITHIN_RIGHT, COSET_CHANCE, CONCENTRATION];
        let rows = self.clusters().into_iter().map(row).collect();
        Table::new("Neurons that are constant on cosets", columns, rows)
    }
}

impl fmt::Display for CosetMeasures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = self.neurons.iter().filter(|neuron| neuron.class.is_none()).count();
        write!(f, "{}\nOf {} neurons {none} are constant on no cosets.", self.table(), self.neurons.len())
    }
}
