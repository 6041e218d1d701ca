use crate::matrices::{Array, close, orthonormal, rectangular, scale};
use crate::types::Type;
use faer::Mat;
use num_complex::Complex64;

/// What `geqrf` or `gelqf` leaves, and tau.
fn factor<T: Type>(lq: bool, a: &Mat<Complex64>) -> (Array<T>, Vec<T>) {
    let (m, n) = (a.nrows() as i32, a.ncols() as i32);
    let call = if lq { T::gelqf } else { T::geqrf };
    let mut array = Array::<T>::of(a.as_ref());
    let mut tau = vec![T::of(Complex64::ZERO); m.min(n) as usize];
    let mut size = T::of(Complex64::ZERO);
    assert_eq!(call(m, n, std::ptr::null_mut(), array.ld(), tau.as_mut_ptr(), &mut size, -1), 0);
    let lwork = size.wide().re as i32;
    let mut work = vec![size; lwork as usize];
    assert_eq!(call(m, n, array.ptr(), array.ld(), tau.as_mut_ptr(), work.as_mut_ptr(), lwork), 0);
    (array, tau)
}

/// `rows x cols` of Q from the first reflectors.
fn generate<T: Type>(lq: bool, reflectors: &Mat<Complex64>, rows: usize, cols: usize, tau: &[T]) -> Mat<Complex64> {
    let call = if lq { T::orglq } else { T::orgqr };
    let (m, n, k) = (rows as i32, cols as i32, tau.len() as i32);
    let (stored_rows, stored_cols) = reflectors.shape();
    let mut array = Array::<T>::of(
        Mat::from_fn(rows, cols, |i, j| {
            if i < stored_rows && j < stored_cols { reflectors[(i, j)] } else { Complex64::from(f64::NAN) }
        })
        .as_ref(),
    );
    let mut size = T::of(Complex64::ZERO);
    assert_eq!(call(m, n, k, std::ptr::null_mut(), array.ld(), std::ptr::null(), &mut size, -1), 0);
    let lwork = size.wide().re as i32;
    let mut work = vec![size; lwork as usize];
    assert_eq!(call(m, n, k, array.ptr(), array.ld(), tau.as_ptr(), work.as_mut_ptr(), lwork), 0);
    array.mat()
}

fn flip(lq: bool, a: &Mat<Complex64>) -> Mat<Complex64> {
    if lq { a.adjoint().to_owned() } else { a.clone() }
}

/// Both factorisations, seen as the QR of the matrix or of its adjoint.
fn decompositions<T: Type>() {
    for lq in [false, true] {
        for (m, n) in [(1, 1), (1, 5), (5, 1), (6, 6), (33, 33), (80, 70), (20, 70), (70, 20), (110, 40)] {
            for (name, a) in rectangular::<T>(m, n) {
                let name = format!("{name} lq {lq}");
                let (packed, tau) = factor::<T>(lq, &a);
                let (packed, tall) = (packed.mat(), flip(lq, &a));
                let (m, n) = tall.shape();
                let k = m.min(n);
                let r = flip(lq, &packed);
                let r = Mat::from_fn(k, n, |i, j| if i <= j { r[(i, j)] } else { Complex64::ZERO });
                assert!((0..k).all(|i| r[(i, i)].im == 0.0), "{name}: LAPACK's diagonal is real");
                let q = |cols: usize, tau: &[T]| {
                    let (rows, cols) = if lq { (cols, m) } else { (m, cols) };
                    flip(lq, &generate::<T>(lq, &packed, rows, cols, tau))
                };
                let thin = q(k, &tau);
                orthonormal::<T>(&name, thin.as_ref());
                // Column by column: a small one is not lost beside a large one.
                let scales: Vec<f64> = (0..n).map(|j| scale(tall.as_ref().subcols(j, 1))).collect();
                let unit = |a: &Mat<Complex64>| Mat::from_fn(a.nrows(), n, |i, j| a[(i, j)] / scales[j]);
                let (unit_a, product) = (unit(&tall), &thin * unit(&r));
                for j in 0..n {
                    close::<T>(&name, unit_a.as_ref().subcols(j, 1), product.as_ref().subcols(j, 1), 1.0);
                }
                // All of Q, and the part that fewer reflectors give.
                let full = q(m, &tau);
                orthonormal::<T>(&name, full.as_ref());
                close::<T>(&name, thin.as_ref(), full.as_ref().subcols(0, k), 1.0);
                let part = q(k, &tau[..k / 2]);
                orthonormal::<T>(&name, part.as_ref());
                close::<T>(&name, part.as_ref().subcols(0, k / 2), thin.as_ref().subcols(0, k / 2), 1.0);
            }
        }
    }
}

/// As in LAPACK, what is not finite goes through.
fn not_finite<T: Type>() {
    for bad in [f64::NAN, f64::INFINITY] {
        let mut a = rectangular::<T>(50, 40).swap_remove(0).1;
        a[(3, 2)] = bad.into();
        for lq in [false, true] {
            let (packed, _) = factor::<T>(lq, &a);
            assert!(packed.mat().norm_max().is_nan() || packed.data.iter().any(|x| !x.wide().is_finite()));
        }
    }
}

fn empty<T: Type>() {
    for (m, n) in [(0, 0), (0, 3), (3, 0)] {
        for lq in [false, true] {
            let (packed, tau) = factor::<T>(lq, &Mat::zeros(m, n));
            let (rows, cols) = if lq { (0, n) } else { (m, 0) };
            generate::<T>(lq, &packed.mat(), rows, cols, &tau);
        }
    }
    let q = generate::<T>(false, &Mat::zeros(4, 0), 4, 4, &[]);
    close::<T>("no reflectors", Mat::identity(4, 4).as_ref(), q.as_ref(), 1.0);
}

crate::each_type!(decompositions not_finite empty);
