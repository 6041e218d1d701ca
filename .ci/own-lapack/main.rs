//! What the program computes on its own OpenBLAS and what irreplens computes, in one process.

use irreplens::analysis::interpret;
use irreplens::checkpoint::Run;
use irreplens::fourier::CyclicSubgroupBasis;
use irreplens::group::{Dihedral, Symmetric};
use irreplens::irrep::irreps;
use irreplens::linalg::symmetric_eigen;
use irreplens::task::Task;
use ndarray::{Array1, Array2};
use ndarray_linalg::{Cholesky, Eigh, Inverse, SVD, Solve, UPLO};

unsafe extern "C" {
    fn openblas_get_config() -> *const std::ffi::c_char;
}

fn close(a: &Array2<f64>, b: &Array2<f64>) {
    let error = (a - b).iter().fold(0.0, |max: f64, x| max.max(x.abs()));
    assert!(error < 1e-12, "{error:e}");
}

fn main() {
    // SAFETY: OpenBLAS returns a string of its own.
    println!("{}", unsafe { std::ffi::CStr::from_ptr(openblas_get_config()) }.to_string_lossy());

    // Its own: what irreplens does not use, and what both have.
    let n = 50;
    let unit = Array2::<f64>::eye(n);
    let a = Array2::from_shape_fn((n, n), |(i, j)| 1.0 / (1.0 + i.abs_diff(j) as f64)) + &unit;
    close(&a.dot(&a.inv().expect("inverse")), &unit);
    let x = a.solve(&Array1::ones(n)).expect("solution");
    close(&a.dot(&x).insert_axis(ndarray::Axis(1)), &Array2::ones((n, 1)));
    let lower = a.cholesky(UPLO::Lower).expect("factor");
    close(&lower.dot(&lower.t()), &a);
    let (values, vectors) = a.eigh(UPLO::Lower).expect("eigenvalues");
    close(&a.dot(&vectors), &(&vectors * &values));
    let (_, singular, _) = a.svd(false, false).expect("singular values");
    assert!((singular[0] - values[n - 1]).abs() < 1e-12);

    // irreplens's, beside it.
    let (ours, vectors) = symmetric_eigen(a.view()).expect("eigenvalues");
    close(&a.dot(&vectors), &(&vectors * &ours));
    assert!((&ours - &values).iter().all(|x| x.abs() < 1e-12));
    let found = irreps(&Symmetric::new(5).expect("a group")).expect("irreps");
    assert_eq!(found.iter().map(|irrep| irrep.dim).collect::<Vec<_>>(), [1, 1, 4, 4, 5, 5, 6]);
    let run = Run::open(std::env::args().nth(1).expect("a run directory")).expect("a run");
    let group = Dihedral::new(53).expect("a group");
    let model = run.model().expect("a model");
    let found = interpret(&model, &CyclicSubgroupBasis::dihedral(&group), &Task::new(&group)).expect("an analysis");
    assert_eq!(found.baseline.accuracy, 1.0);
    assert!((found.baseline.loss / 2.186584e-5 - 1.0).abs() < 1e-4, "{}", found.baseline);
    println!("{}", found.baseline);
}
