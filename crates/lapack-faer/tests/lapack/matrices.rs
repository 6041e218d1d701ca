//! Matrices to decompose, and what is measured of what comes out, in complex double precision.

use crate::FACTOR;
use crate::types::Type;
use faer::{Mat, MatRef};
use num_complex::Complex64;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A caller's array: column-major, with rows below the matrix that must stay as they are.
#[derive(Clone)]
pub struct Array<T> {
    pub data: Vec<T>,
    pub rows: usize,
    pub cols: usize,
}

/// Rows below the matrix.
const MARGIN: usize = 3;

impl<T: Type> Array<T> {
    pub fn new(rows: usize, cols: usize) -> Self {
        Self::of(Mat::zeros(rows, cols).as_ref())
    }

    pub fn of(matrix: MatRef<'_, Complex64>) -> Self {
        let (rows, cols) = matrix.shape();
        let mut array = Self { data: vec![margin(); (rows + MARGIN) * cols], rows, cols };
        for j in 0..cols {
            for i in 0..rows {
                array.data[i + j * (rows + MARGIN)] = T::of(matrix[(i, j)]);
            }
        }
        array
    }

    pub fn ld(&self) -> i32 {
        (self.rows + MARGIN) as i32
    }

    pub fn ptr(&mut self) -> *mut T {
        self.data.as_mut_ptr()
    }

    /// The matrix; the margin must be untouched.
    #[track_caller]
    pub fn mat(&self) -> Mat<Complex64> {
        let ld = self.rows + MARGIN;
        for (at, &entry) in self.data.iter().enumerate() {
            assert!(at % ld < self.rows || entry == margin(), "written below the matrix");
        }
        Mat::from_fn(self.rows, self.cols, |i, j| self.data[i + j * ld].wide())
    }
}

fn margin<T: Type>() -> T {
    T::of(Complex64::new(-7.0, 0.0))
}

pub fn random<T: Type>(seed: u64, m: usize, n: usize) -> Mat<Complex64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || (random.next_u64() >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    Mat::from_fn(m, n, |_, _| Complex64::new(uniform(), if T::COMPLEX { uniform() } else { 0.0 }))
}

/// As the type's own precision has it.
fn rounded<T: Type>(matrix: Mat<Complex64>) -> Mat<Complex64> {
    Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| T::of(matrix[(i, j)]).wide())
}

/// Named matrices of one shape: random, deficient, badly scaled, graded.
pub fn rectangular<T: Type>(m: usize, n: usize) -> Vec<(String, Mat<Complex64>)> {
    let full = random::<T>((m * 1000 + n) as u64, m, n);
    let (low, high) = T::RANGE;
    let scaled = |factor: &dyn Fn(usize, usize) -> f64| Mat::from_fn(m, n, |i, j| full[(i, j)] * factor(i, j));
    let grade = |i: usize, len: usize| 10f64.powf(f64::from(low) * i as f64 / (len.max(2) - 1) as f64);
    let cases = [
        ("random", full.clone()),
        ("zero", Mat::zeros(m, n)),
        ("identity", Mat::identity(m, n)),
        ("ones", Mat::from_fn(m, n, |_, _| Complex64::ONE)),
        ("rank 3", random::<T>(1, m, 3) * random::<T>(2, 3, n)),
        ("small", scaled(&|_, _| 10f64.powi(low))),
        ("large", scaled(&|_, _| 10f64.powi(high))),
        ("rows fall", scaled(&|i, _| grade(i, m))),
        ("rows rise", scaled(&|i, _| grade(m - 1 - i, m))),
        ("columns fall", scaled(&|_, j| grade(j, n))),
        ("columns rise", scaled(&|_, j| grade(n - 1 - j, n))),
        ("both fall", scaled(&|i, j| grade(i, m).max(1e-150) * grade(j, n).max(1e-150))),
        ("one small", Mat::from_fn(m, n, |i, j| full[(i, j)] * if i == m / 2 { 10f64.powi(low) } else { 1.0 })),
        ("far apart", scaled(&|i, j| if (i + j) % 2 == 0 { 1.0 } else { 10f64.powi(low) })),
    ];
    cases.into_iter().map(|(name, matrix)| (format!("{name} {m} x {n}"), rounded::<T>(matrix))).collect()
}

/// The lower triangles of [`rectangular`], with their conjugates above.
pub fn hermitian<T: Type>(n: usize) -> Vec<(String, Mat<Complex64>)> {
    let of_lower = |a: Mat<Complex64>| {
        Mat::from_fn(n, n, |i, j| match i.cmp(&j) {
            std::cmp::Ordering::Greater => a[(i, j)],
            std::cmp::Ordering::Equal => a[(i, j)].re.into(),
            std::cmp::Ordering::Less => a[(j, i)].conj(),
        })
    };
    rectangular::<T>(n, n).into_iter().map(|(name, a)| (name, of_lower(a))).collect()
}

/// The largest absolute value, or 1 for a matrix of zeros.
pub fn scale(a: MatRef<'_, Complex64>) -> f64 {
    let largest = a.norm_max();
    if largest == 0.0 { 1.0 } else { largest }
}

/// The Frobenius norm of `a - b` is rounding of the Frobenius norm of `a`, both divided by `scale`.
#[track_caller]
pub fn close<T: Type>(name: &str, a: MatRef<'_, Complex64>, b: MatRef<'_, Complex64>, scale: f64) {
    assert_eq!(a.shape(), b.shape());
    let norm = |f: &dyn Fn(usize, usize) -> Complex64| {
        let entries = (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| (i, j)));
        entries.map(|(i, j)| (f(i, j) / scale).norm_sqr()).sum::<f64>().sqrt()
    };
    let (error, size) = (norm(&|i, j| a[(i, j)] - b[(i, j)]), norm(&|i, j| a[(i, j)]));
    let extent = a.nrows().max(a.ncols()) as f64;
    assert!(error <= FACTOR * extent * T::EPS * size, "{name}: {error:e} against {size:e}");
}

/// Q* Q = I.
#[track_caller]
pub fn orthonormal<T: Type>(name: &str, q: MatRef<'_, Complex64>) {
    let n = q.ncols();
    close::<T>(name, Mat::identity(n, n).as_ref(), (q.adjoint() * q).as_ref(), 1.0);
}
