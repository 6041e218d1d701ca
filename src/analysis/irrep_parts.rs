//! Irreps of a basis with their matrices, and what functions have of each of them.

use super::neurons::DIM;
use crate::error::{Error, Result, check_shape};
use crate::fourier::FourierBasis;
use crate::group::{CayleyTable, Group, GroupExt, check_fingerprint};
use crate::irrep::{Irrep, Kind, Representation};
use crate::linalg::times;
use crate::model::Interpretable;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};

/// The irreps that the blocks of a basis are of, with their matrices.
pub(super) struct Irreps {
    pub irreps: Vec<Irrep>,
    pub matrices: Vec<Representation<f64>>,
    /// Entries of all matrices, (n, sum of d^2).
    entries: Array2<f64>,
    /// The first entry of each.
    first: Vec<usize>,
}

/// The irrep whose matrix entries a block of a basis in one sector spans: its character is the projector's column at the
/// identity, and its kind follows from the squares.
fn irrep_of_block(table: &CayleyTable, basis: &dyn FourierBasis, block: usize) -> Result<Irrep> {
    let block = &basis.blocks()[block];
    let n = table.order();
    let positions: Vec<usize> = basis.sectors()[0].iter().map(|x| x.index()).collect();
    let at = table.identity().index();
    let identity = positions.iter().position(|&x| x == at).unwrap_or(0);
    let mut column = Array1::<f64>::zeros(n);
    for row in block.rows.clone() {
        let there = basis.value(row, identity);
        positions.iter().enumerate().for_each(|(i, &x)| column[x] += there * basis.value(row, i));
    }
    let of_squares: f64 = table.elements().map(|x| column[table.compose(x, x).index()]).sum();
    let (rank, kind) = (
        block.rows.len(),
        match of_squares {
            v if v > 0.5 => Kind::Real,
            v if v < -0.5 => Kind::Quaternionic,
            _ => Kind::Complex,
        },
    );
    let dim = ((rank * kind.norm()) as f64).sqrt().round() as usize;
    let irrep = Irrep {
        label: block.name.clone(),
        kind,
        dim,
        character: column * (n as f64 * kind.norm() as f64 / dim as f64),
    };
    match irrep.rank() == rank {
        true => Ok(irrep),
        false => Err(Error::not_an_irrep(&block.name, "a block of d^2 / <chi, chi> rows", rank as f64)),
    }
}

impl Irreps {
    /// # Errors
    /// [`Error::Unsupported`] for a basis in several sectors; [`Error::NotAnIrrep`] for one whose blocks are not irreps.
    pub fn new(table: &CayleyTable, basis: &dyn FourierBasis, analysis: &'static str) -> Result<Self> {
        if basis.sectors().len() != 1 {
            let needs = "a basis in one sector whose blocks are the irreps of the group, as `IrrepBasis` is";
            return Err(Error::Unsupported { analysis, needs });
        }
        let irreps: Vec<Irrep> =
            (0..basis.blocks().len()).map(|block| irrep_of_block(table, basis, block)).collect::<Result<_>>()?;
        let n = table.order();
        let total = irreps.iter().map(|irrep| irrep.dim * irrep.dim).sum();
        crate::memory::check("matrices of all irreps", crate::memory::bytes::<f64>(&[2, n, total]))?;
        let matrices: Vec<_> = irreps.iter().map(|irrep| irrep.matrices(table, 1)).collect::<Result<_>>()?;
        let mut entries = Array2::zeros((n, total));
        let mut first = Vec::with_capacity(irreps.len());
        let mut next = 0;
        for (irrep, matrices) in irreps.iter().zip(&matrices) {
            first.push(next);
            let width = irrep.dim * irrep.dim;
            let of_irrep = matrices.matrices();
            let flat = of_irrep.to_shape((n, width)).expect("d x d entries each");
            entries.slice_mut(s![.., next..next + width]).assign(&flat);
            next += width;
        }
        Ok(Self { irreps, matrices, entries, first })
    }

    /// `sum over x of f(x) rho(x)` for functions (n, functions) and all irreps: (functions, sum of d^2).
    pub fn sums(&self, functions: ArrayView2<'_, f64>) -> Array2<f64> {
        times(functions.t(), self.entries.view())
    }

    /// The part of an irrep in what `sums` gives for one function: (d, d).
    pub fn part<'a>(&self, sums: ArrayView1<'a, f64>, irrep: usize) -> ArrayView2<'a, f64> {
        let (d, first) = (self.irreps[irrep].dim, self.first[irrep]);
        sums.slice_move(s![first..first + d * d]).into_shape_with_order((d, d)).expect("d x d entries")
    }

    /// The energy of a function in an irrep, of its [`part`](Irreps::part).
    pub fn energy(&self, part: ArrayView2<'_, f64>, irrep: usize) -> f64 {
        let scale = self.irreps[irrep].multiplicity() as f64 / self.order();
        scale * part.iter().map(|v| v * v).sum::<f64>()
    }

    /// The group's order, as a number.
    pub fn order(&self) -> f64 {
        self.entries.nrows() as f64
    }
}

/// What one neuron has of the irrep that most of its two maps is in: the sums `A = sum over x of L(x) rho(x)`,
/// `B = sum over y of R(y) rho(y)` and `C = sum over z of U(z) rho(z)` of its two maps and of its row of the unembedding.
pub(super) struct NeuronParts {
    pub irrep: usize,
    pub parts: [Array2<f64>; 3],
}

/// The Cayley table of a model's group, whose basis this is; `what` names the two in errors.
pub(super) fn checked_table(
    model: &dyn Interpretable,
    group: &(impl Group + ?Sized),
    basis: &dyn FourierBasis,
    what: [&'static str; 2],
) -> Result<CayleyTable> {
    let n = model.order();
    check_shape(what[0], &[n], &[group.order()])?;
    check_fingerprint(what[0], model.fingerprint(), group.fingerprint())?;
    check_shape(what[1], &[n], &[basis.order()])?;
    check_fingerprint(what[1], group.fingerprint(), basis.fingerprint())?;
    crate::memory::check("a Cayley table", crate::memory::bytes::<u32>(&[n, n]))?;
    Ok(group.cayley_table())
}

/// The map x -> neuron, the map y -> neuron, (n, width) each, and what the neurons write, (width, n).
///
/// # Errors
/// [`Error::Unsupported`] for a model without maps from elements to neurons, or whose neurons do not reach the logits through linear
/// steps alone.
pub(super) fn maps_and_path<'a>(
    model: &'a dyn Interpretable,
    analysis: &'static str,
) -> Result<[ArrayView2<'a, f32>; 3]> {
    let (Some((left, right)), Some(path)) = (model.maps(), model.neuron_path()) else {
        let needs = "maps from elements to neurons, and neurons that reach the logits through linear steps alone";
        return Err(Error::Unsupported { analysis, needs });
    };
    Ok([left, right, path])
}

/// The parts of every neuron; `None` for one that does not vary, that writes nothing, or that is dim: with less than a
/// millionth of the square norm of all maps.
///
/// # Errors
/// The error of [`maps_and_path`].
pub(super) fn neuron_parts(
    model: &dyn Interpretable,
    irreps: &Irreps,
    analysis: &'static str,
) -> Result<Vec<Option<NeuronParts>>> {
    let [left, right, path] = maps_and_path(model, analysis)?;
    let sums = [left, right, path.reversed_axes()].map(|map| irreps.sums(map.mapv(f64::from).view()));
    let part = |map: usize, k: usize, irrep: usize| irreps.part(sums[map].row(k), irrep);
    let nontrivial = 1..irreps.irreps.len();
    let energy = |map: usize, k: usize| -> Vec<f64> {
        nontrivial.clone().map(|irrep| irreps.energy(part(map, k, irrep), irrep)).collect()
    };
    let energies: Vec<[Vec<f64>; 3]> = (0..left.ncols()).map(|k| [0, 1, 2].map(|map| energy(map, k))).collect();
    let whole = |energies: &[Vec<f64>; 3]| energies[..2].iter().flatten().sum::<f64>();
    let least = DIM * energies.iter().map(whole).sum::<f64>();
    let neuron = |(k, energies): (usize, &[Vec<f64>; 3])| {
        if whole(energies) <= least || energies[2].iter().all(|energy| *energy == 0.0) {
            return None;
        }
        let shares = energies[..2].iter().map(|of_map| {
            let sum = of_map.iter().sum::<f64>();
            of_map.iter().map(move |energy| if sum > 0.0 { energy / sum } else { 0.0 })
        });
        let of_both = shares.fold(vec![0.0; nontrivial.len()], |sum, shares| {
            sum.into_iter().zip(shares).map(|(sum, share)| sum + share).collect()
        });
        let largest = of_both.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?.0;
        let irrep = largest + 1;
        let parts = [0, 1, 2].map(|map| part(map, k, irrep).to_owned());
        parts.iter().all(|part| part.iter().any(|v| *v != 0.0)).then_some(NeuronParts { irrep, parts })
    };
    Ok(energies.iter().enumerate().map(neuron).collect())
}
