//! Eigenproblems and singular values: residuals and orthogonality over both fields, against whichever LAPACK is linked.

use irreplens::Error;
use irreplens::linalg::{Field, Svd, hermitian_eigen, orthonormal_range, singular_values, svd, symmetric_eigen};
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

fn decompositions<T: Entry>() {
    for (seed, (m, n)) in [(1, 1), (1, 7), (9, 1), (12, 12), (40, 13), (13, 40), (150, 140)].into_iter().enumerate() {
        let full = random::<T>(seed as u64, m, n);
        let deficient = random::<T>(seed as u64, m, 1).dot(&random(99, 1, n));
        for a in [full, deficient, Array2::zeros((m, n))] {
            let Svd { u, values, vh } = svd(a.view()).unwrap();
            assert_eq!((u.dim(), values.len(), vh.dim()), ((m, m.min(n)), m.min(n), (m.min(n), n)));
            assert!(values.windows(2).into_iter().all(|pair| pair[0] >= pair[1]) && values.iter().all(|&v| v >= 0.0));
            orthonormal(&u);
            orthonormal(&adjoint(&vh));
            close(&u.dot(&diagonal(&values)).dot(&vh), &a, norm(&a));
            let alone = singular_values(a.view()).unwrap();
            close(&alone.insert_axis(ndarray::Axis(1)), &values.insert_axis(ndarray::Axis(1)), norm(&a));
        }
    }
}

fn ranges<T: Entry>() {
    let a = random::<T>(5, 30, 4).dot(&random(6, 4, 20));
    let range = orthonormal_range(a.view(), 1e-10).unwrap();
    assert_eq!(range.dim(), (30, 4));
    orthonormal(&range);
    close(&range.dot(&adjoint(&range)).dot(&a), &a, norm(&a));
    assert_eq!(orthonormal_range(Array2::<T>::zeros((5, 3)).view(), 1e-10).unwrap().dim(), (5, 0));
}

#[test]
fn eigenproblems() {
    eigen::<f64>();
    eigen::<C64>();
}

#[test]
fn singular_value_decompositions() {
    decompositions::<f64>();
    decompositions::<C64>();
}

#[test]
fn ranges_of_deficient_matrices() {
    ranges::<f64>();
    ranges::<C64>();
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
        let Svd { u, values, vh } = svd(a.view()).unwrap();
        close(&u.dot(&diagonal(&(values / scale))).dot(&vh), &(&a / scale), norm(&(&a / scale)));
    }
}

#[test]
fn views_with_any_strides() {
    let a = random::<C64>(8, 12, 9);
    let view = a.slice(s![..;-2, 1..;2]);
    assert_eq!(singular_values(view).unwrap(), singular_values(view.to_owned().view()).unwrap());
}

#[test]
fn empty_matrices() {
    let (values, v) = symmetric_eigen(Array2::zeros((0, 0)).view()).unwrap();
    assert_eq!((values.len(), v.dim()), (0, (0, 0)));
    let (values, v) = hermitian_eigen(Array2::zeros((0, 0)).view()).unwrap();
    assert_eq!((values.len(), v.dim()), (0, (0, 0)));
    for (m, n) in [(0, 0), (3, 0), (0, 4)] {
        let a = Array2::<f64>::zeros((m, n));
        let Svd { u, values, vh } = svd(a.view()).unwrap();
        assert_eq!((u.dim(), values.len(), vh.dim()), ((m, 0), 0, (0, n)));
        assert_eq!(singular_values(a.view()).unwrap().len(), 0);
        assert_eq!(orthonormal_range(a.view(), 0.0).unwrap().dim(), (m, 0));
    }
}

#[test]
fn bad_matrices_are_errors() {
    let a = array![[1.0, f64::NAN], [0.0, 1.0]];
    assert!(matches!(symmetric_eigen(a.view()), Err(Error::Range { got, .. }) if got.is_nan()));
    assert!(matches!(svd(a.view()), Err(Error::Range { .. })));
    assert!(matches!(singular_values(a.view()), Err(Error::Range { .. })));
    let infinite = array![[C64::new(0.0, f64::NEG_INFINITY)]];
    assert!(matches!(hermitian_eigen(infinite.view()), Err(Error::Range { got: f64::INFINITY, .. })));
    let wide = Array2::zeros((2, 3));
    let error = symmetric_eigen(wide.view()).unwrap_err();
    assert_eq!(error.to_string(), "matrix of an eigenproblem: expected shape [2, 2], got [2, 3]");
    for tolerance in [-1e-9, 1.0, f64::NAN] {
        assert!(matches!(orthonormal_range(wide.view(), tolerance), Err(Error::Range { .. })));
    }
}
