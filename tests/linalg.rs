//! Eigenproblems: residuals and orthogonality over both fields, by faer or by whichever LAPACK is linked.

use irreplens::Error;
use irreplens::linalg::{Field, hermitian_eigen, symmetric_eigen};
use ndarray::{Array1, Array2, ArrayView2, ShapeBuilder, array, s};
use num_complex::Complex;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

type C64 = Complex<f64>;

/// Errors are at most this many times the larger extent, eps and the norm.
const FACTOR: f64 = 10.0;

trait Entry: Field {
    fn draw(random: &mut ChaCha8Rng) -> Self;
    fn real(x: f64) -> Self;
    fn eigen(a: ArrayView2<'_, Self>) -> irreplens::Result<(Array1<f64>, Array2<Self>)>;
}

fn uniform(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

impl Entry for f64 {
    fn draw(random: &mut ChaCha8Rng) -> Self {
        uniform(random)
    }

    fn real(x: f64) -> Self {
        x
    }

    fn eigen(a: ArrayView2<'_, Self>) -> irreplens::Result<(Array1<f64>, Array2<Self>)> {
        symmetric_eigen(a)
    }
}

impl Entry for C64 {
    fn draw(random: &mut ChaCha8Rng) -> Self {
        C64::new(uniform(random), uniform(random))
    }

    fn real(x: f64) -> Self {
        C64::new(x, 0.0)
    }

    fn eigen(a: ArrayView2<'_, Self>) -> irreplens::Result<(Array1<f64>, Array2<Self>)> {
        hermitian_eigen(a)
    }
}

fn random<T: Entry>(seed: u64, m: usize, n: usize) -> Array2<T> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((m, n), || T::draw(&mut random))
}

fn adjoint<T: Entry>(a: &Array2<T>) -> Array2<T> {
    a.t().mapv(T::conj)
}

fn diagonal<T: Entry>(values: &Array1<f64>) -> Array2<T> {
    Array2::from_diag(&values.mapv(T::real))
}

fn norm<T: Entry>(a: &Array2<T>) -> f64 {
    a.iter().map(|x| x.abs().powi(2)).sum::<f64>().sqrt()
}

#[track_caller]
fn close<T: Entry>(a: &Array2<T>, b: &Array2<T>, scale: f64) {
    let (error, extent) = (norm(&(a - b)), a.nrows().max(a.ncols()) as f64);
    assert!(error <= FACTOR * extent * f64::EPSILON * scale, "{error:e} at extent {extent}, scale {scale}");
}

#[track_caller]
fn orthonormal<T: Entry>(q: &Array2<T>) {
    close(&adjoint(q).dot(q), &Array2::eye(q.ncols()), (q.ncols() as f64).sqrt());
}

fn eigen<T: Entry>() {
    for (seed, n) in [1, 2, 3, 10, 67, 200].into_iter().enumerate() {
        let half = random::<T>(seed as u64, n, n);
        let a = &half + &adjoint(&half);
        // In either order of storage, and with nothing to read above the diagonal.
        let column_major = Array2::from_shape_fn((n, n).f(), |at| a[at]);
        let lower = Array2::from_shape_fn((n, n), |(i, j)| if i >= j { a[[i, j]] } else { T::real(7.0) });
        let (expected, _) = T::eigen(a.view()).unwrap();
        for stored in [&a, &column_major, &lower] {
            let (values, v) = T::eigen(stored.view()).unwrap();
            assert!(values.windows(2).into_iter().all(|pair| pair[0] <= pair[1]));
            assert_eq!(values, expected);
            orthonormal(&v);
            close(&v.dot(&diagonal(&values)).dot(&adjoint(&v)), &a, norm(&a));
        }
    }
}

#[test]
fn eigenproblems() {
    eigen::<f64>();
    eigen::<C64>();
}

/// Whichever LAPACK is linked, faer's own eigenvalues.
#[test]
fn eigenvalues_are_those_of_faer() {
    let half = random::<C64>(4, 90, 90);
    let a = &half + &adjoint(&half);
    let columns: Vec<C64> = a.t().iter().copied().collect();
    let (expected, _) = irreplens_lapack::hermitian_eigen(90, &columns).unwrap();
    let (values, _) = hermitian_eigen(a.view()).unwrap();
    close(&diagonal::<C64>(&values), &diagonal(&Array1::from(expected)), norm(&a));
}

/// A Hermitian matrix and its conjugate have the same eigenvalues: only the vectors tell them apart.
#[test]
fn hermitian_is_not_its_conjugate() {
    let (o, i, one) = (C64::ZERO, C64::I, C64::ONE);
    let a = array![[o, -i, o], [i, o, -i * 2.0], [o, i * 2.0, one]];
    let (values, v) = hermitian_eigen(a.view()).unwrap();
    close(&a.dot(&v), &v.dot(&diagonal(&values)), norm(&a));
}

#[test]
fn extreme_scales() {
    for scale in [1e-300, 1e300] {
        let a = random::<f64>(3, 20, 20);
        let a = (&a + &a.t()) * scale;
        let (values, v) = symmetric_eigen(a.view()).unwrap();
        close(&v.dot(&diagonal(&(values / scale))).dot(&v.t()), &(&a / scale), norm(&(&a / scale)));
    }
}

#[test]
fn views_with_any_strides() {
    let half = random::<C64>(8, 12, 12);
    let a = &half + &adjoint(&half);
    let view = a.slice(s![..;-2, ..;-2]);
    assert_eq!(hermitian_eigen(view).unwrap(), hermitian_eigen(view.to_owned().view()).unwrap());
}

#[test]
fn empty_matrices() {
    let (values, v) = symmetric_eigen(Array2::zeros((0, 0)).view()).unwrap();
    assert_eq!((values.len(), v.dim()), (0, (0, 0)));
    let (values, v) = hermitian_eigen(Array2::zeros((0, 0)).view()).unwrap();
    assert_eq!((values.len(), v.dim()), (0, (0, 0)));
}

#[test]
fn bad_matrices_are_errors() {
    let a = array![[1.0, f64::NAN], [0.0, 1.0]];
    assert!(matches!(symmetric_eigen(a.view()), Err(Error::Range { got, .. }) if got.is_nan()));
    let infinite = array![[C64::new(0.0, f64::NEG_INFINITY)]];
    assert!(matches!(hermitian_eigen(infinite.view()), Err(Error::Range { got: f64::INFINITY, .. })));
    let error = symmetric_eigen(Array2::zeros((2, 3)).view()).unwrap_err();
    assert_eq!(error.to_string(), "matrix of an eigenproblem: expected shape [2, 2], got [2, 3]");
}
