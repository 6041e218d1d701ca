//! Irreps that are written down: those of cyclic, dihedral and dicyclic groups.

use super::Representation;
use crate::group::{Cyclic, Dihedral, Group};
use ndarray::{Array2, array};
use std::f64::consts::TAU;

/// The real irreps of C_n: `trivial`, a turn of the plane by `2 pi k t / n` for every frequency k below n/2, and for even
/// n the sign `(-1)^t`, called frequency n/2.
///
/// ```
/// use irreplens::{group::Cyclic, irrep::cyclic};
/// let labels: Vec<String> = cyclic(&Cyclic::new(6)?).into_iter().map(|rho| rho.label).collect();
/// assert_eq!(labels, ["trivial", "frequency 1", "frequency 2", "frequency 3"]);
/// # Ok::<(), irreplens::Error>(())
/// ```
#[must_use]
pub fn cyclic(group: &Cyclic) -> Vec<Representation<f64>> {
    let n = group.order();
    let mut found = vec![by_matrices("trivial", n, |_| array![[1.0]])];
    found.extend((1..=n / 2).map(|k| {
        by_matrices(&format!("frequency {k}"), n, |t| if 2 * k == n { array![[alternating(t)]] } else { turn(n, k, t) })
    }));
    found
}

/// The real irreps of D_n: `trivial`; `sign`, -1 on reflections; for every frequency k below n/2 the plane, turned by
/// `2 pi k i / n` for the rotation r^i, and with s as the reflection in the first axis; and for even n `frequency n/2 +`
/// and `frequency n/2 -`: `(-1)^i` for r^i, and that or its negative for r^i s.
///
/// ```
/// use irreplens::{group::Dihedral, irrep::dihedral};
/// let labels: Vec<String> = dihedral(&Dihedral::new(4)?).into_iter().map(|rho| rho.label).collect();
/// assert_eq!(labels, ["trivial", "sign", "frequency 2 +", "frequency 2 -", "frequency 1"]);
/// # Ok::<(), irreplens::Error>(())
/// ```
#[must_use]
pub fn dihedral(group: &Dihedral) -> Vec<Representation<f64>> {
    let n = group.order() / 2;
    let lone =
        |label: &str, value: &dyn Fn(usize, bool) -> f64| by_matrices(label, 2 * n, |x| array![[value(x % n, x >= n)]]);
    let sign = |reflection| if reflection { -1.0 } else { 1.0 };
    let mut found = vec![lone("trivial", &|_, _| 1.0), lone("sign", &|_, reflection| sign(reflection))];
    if n.is_multiple_of(2) {
        found.push(lone(&format!("frequency {} +", n / 2), &|i, _| alternating(i)));
        found.push(lone(&format!("frequency {} -", n / 2), &|i, reflection| alternating(i) * sign(reflection)));
    }
    found.extend((1..n.div_ceil(2)).map(|k| {
        by_matrices(&format!("frequency {k}"), 2 * n, |x| {
            let mut matrix = turn(n, k, x % n);
            matrix.column_mut(1).mapv_inplace(|v| v * sign(x >= n));
            matrix
        })
    }));
    found
}

fn by_matrices(label: &str, n: usize, matrix: impl Fn(usize) -> Array2<f64>) -> Representation<f64> {
    let matrices: Vec<Array2<f64>> = (0..n).map(matrix).collect();
    let views: Vec<_> = matrices.iter().map(|matrix| matrix.view()).collect();
    let stacked = ndarray::stack(ndarray::Axis(0), &views).expect("matrices of one shape");
    Representation::new(label, stacked).expect("square matrices")
}

/// The turn by 2 pi k t / n; k t is reduced first, so that large products lose nothing.
fn turn(n: usize, k: usize, t: usize) -> Array2<f64> {
    let (sin, cos) = (TAU * (k * t % n) as f64 / n as f64).sin_cos();
    array![[cos, -sin], [sin, cos]]
}

fn alternating(t: usize) -> f64 {
    if t.is_multiple_of(2) { 1.0 } else { -1.0 }
}
