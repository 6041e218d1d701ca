//! The law that ties a basis to its group: blocks are carried into themselves by translations.

use super::{blocks, functions, matrix, norms, sectors};
use crate::fourier::FourierBasis;
use crate::group::{Elem, Group, GroupExt};
use crate::laws::{DOUBLE_TOLERANCE, Violation};
use ndarray::{Array2, Axis};

/// The projector of every block commutes with translations: with `x -> h x` for h in the transformed subgroup H, which
/// is the sector of the identity; where H is the whole group, with `x -> x h` too. Where the basis knows its group
/// ([`fingerprint`](FourierBasis::fingerprint)), it is this one.
///
/// All projectors are tried at once, as `A = sum over blocks b of (b + 1) P_b`: A commutes with a translation exactly if
/// each of them does. The translations are those by generators of H.
///
/// # Errors
/// `translations`: the orders or fingerprints if they differ; (side, h, sector, position) of an element that h moves out of
/// its sector, and the two sectors; (side, h, sector, block, column of the functions tried), a coefficient of A after the
/// translation, and of the translation after A; `sectors`, `blocks` and `matrix` as [`sectors`], [`blocks`] and
/// [`orthonormality`](super::orthonormality).
///
/// Cost: O(m^3) products for each generator and sector up to m = 128, beyond O(m^2).
pub fn translations(basis: &(impl FourierBasis + ?Sized), group: &(impl Group + ?Sized)) -> Result<(), Violation> {
    let basis: &dyn FourierBasis = &basis;
    const LAW: &str = "translations";
    sectors(basis)?;
    blocks(basis)?;
    let matrix = matrix(basis)?;
    Violation::unless_equal(LAW, "order", basis.order(), group.order())?;
    if let Some(fingerprint) = basis.fingerprint() {
        Violation::unless_equal(LAW, "fingerprint", fingerprint, group.fingerprint())?;
    }
    let mut place = vec![[0; 2]; group.order()];
    for (s, sector) in basis.sectors().iter().enumerate() {
        sector.iter().enumerate().for_each(|(t, x)| place[x.index()] = [s, t]);
    }
    let [own, _] = place[group.identity().index()];
    let values = functions(basis.rows());
    let (norms, values) = (norms(&values), values.mapv(f64::from));
    let block_of = basis.block_of_row();
    // The coefficients of A f.
    let scaled = |values: &Array2<f64>| {
        let mut coefficients = matrix.dot(values);
        coefficients.outer_iter_mut().zip(&block_of).for_each(|(mut row, &b)| row *= (b + 1) as f64);
        coefficients
    };
    let after = matrix.t().dot(&scaled(&values));
    let holds = |side: &str, h: Elem, moved: &dyn Fn(Elem) -> Elem| {
        let mut tried: Vec<Vec<usize>> = Vec::new();
        for (s, sector) in basis.sectors().iter().enumerate() {
            let mut source = vec![0; sector.len()];
            for (t, &x) in sector.iter().enumerate() {
                let [to, position] = place[moved(x).index()];
                Violation::unless_equal(LAW, (side, h, s, t), to, s)?;
                source[position] = t;
            }
            // Cosets in one order are moved alike.
            if tried.contains(&source) {
                continue;
            }
            let translated = |values: &Array2<f64>| values.select(Axis(0), &source);
            let (left, right) = (scaled(&translated(&values)), matrix.dot(&translated(&after)));
            for (((row, column), &left), &right) in left.indexed_iter().zip(&right) {
                let block = &basis.blocks()[block_of[row]].name;
                let tolerance = DOUBLE_TOLERANCE * norms[column] * basis.blocks().len() as f64;
                Violation::unless_close(LAW, (side, h, s, block, column), left, right, tolerance)?;
            }
            tried.push(source);
        }
        Ok(())
    };
    // What carries the sector of the identity into itself generates no more than that sector: it is a subgroup.
    let mut reached = vec![group.identity()];
    for &h in &basis.sectors()[own] {
        if reached.binary_search(&h).is_err() {
            holds("left", h, &|x| group.compose(h, x))?;
            if basis.sectors().len() == 1 {
                holds("right", h, &|x| group.compose(x, h))?;
            }
            reached.push(h);
            reached = group.subgroup(&reached);
        }
    }
    Ok(())
}
