//! ndarray-linalg, linked to the symbols, and the functions beside it.

use irreplens_lapack::{hermitian_eigen, symmetric_eigen};
use ndarray::{Array2, ShapeBuilder};
use ndarray_linalg::{Eigh, JobSvd, Lapack, QR, SVDDC, Scalar, UPLO};
use num_complex::Complex64;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const N: usize = 40;

fn random<T: Scalar<Real = f64>>(rows: usize, cols: usize, entry: fn(f64, f64) -> T) -> Array2<T> {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut draw = || (random.next_u64() >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    Array2::from_shape_simple_fn((rows, cols).f(), || entry(draw(), draw()))
}

fn close<T: Scalar<Real = f64>>(a: &Array2<T>, b: &Array2<T>) {
    assert!(a.iter().zip(b).all(|(&a, &b)| (a - b).abs() < 1e-12), "{a} against {b}");
}

/// Eigenvalues and eigenvectors that a function finds of columns one after the other.
type Found<T> = Option<(Vec<f64>, Vec<T>)>;

fn check<T: Scalar<Real = f64> + Lapack + ndarray::LinalgScalar>(
    entry: fn(f64, f64) -> T,
    eigen: fn(usize, &[T]) -> Found<T>,
) {
    let half = random(N, N, entry);
    let a = &half + &half.t().mapv(|x| x.conj());
    let a = Array2::from_shape_fn((N, N).f(), |at| a[at]);
    let (values, vectors) = a.eigh(UPLO::Lower).unwrap();
    let (same_values, same_vectors) = eigen(N, a.as_slice_memory_order().unwrap()).unwrap();
    assert_eq!((values.to_vec(), vectors.as_slice_memory_order().unwrap()), (same_values, &same_vectors[..]));
    close(&a.dot(&vectors), &(&vectors * &values.mapv(T::from_real)));

    let a = random(N, N / 2, entry);
    let (q, r) = a.qr().unwrap();
    close(&q.dot(&r), &a);
    let (u, values, vh) = a.svddc(JobSvd::Some).unwrap();
    close(&(&u.unwrap() * &values.mapv(T::from_real)).dot(&vh.unwrap()), &a);
}

#[test]
fn real() {
    check(|re, _| re, symmetric_eigen);
}

#[test]
fn complex() {
    check(Complex64::new, hermitian_eigen);
}

#[test]
fn what_is_not_finite_has_no_eigenvalues() {
    assert_eq!(symmetric_eigen(2, &[1.0, f64::NAN, 0.0, 1.0]), None);
    assert_eq!(hermitian_eigen(1, &[Complex64::new(f64::INFINITY, 0.0)]), None);
}
