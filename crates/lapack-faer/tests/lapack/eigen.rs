use crate::matrices::{Array, close, hermitian, orthonormal, scale};
use crate::types::Type;
use faer::Mat;
use num_complex::Complex64;

/// Eigenvalues, and what `a` holds after.
pub fn syev<T: Type>(jobz: char, uplo: char, a: &Mat<Complex64>) -> Result<(Vec<f64>, Mat<Complex64>), i32> {
    let n = a.nrows() as i32;
    let mut array = Array::<T>::of(a.as_ref());
    let mut w = vec![T::Real::default(); a.nrows()];
    let mut size = T::of(Complex64::ZERO);
    assert_eq!(T::syev(jobz, uplo, n, std::ptr::null_mut(), array.ld(), w.as_mut_ptr(), &mut size, -1), 0);
    let lwork = size.wide().re as i32;
    let mut work = vec![size; lwork as usize];
    match T::syev(jobz, uplo, n, array.ptr(), array.ld(), w.as_mut_ptr(), work.as_mut_ptr(), lwork) {
        0 => Ok((w.into_iter().map(Into::into).collect(), array.mat())),
        info => Err(info),
    }
}

fn decompositions<T: Type>() {
    for n in [1, 2, 3, 8, 33, 150] {
        for (name, a) in hermitian::<T>(n) {
            let nan = Complex64::new(f64::NAN, f64::NAN);
            let mut all = Vec::new();
            for uplo in ['L', 'U', 'l', 'u'] {
                // The other triangle and the imaginary parts of the diagonal are not to be read.
                let lower = uplo.eq_ignore_ascii_case(&'L');
                let half = Mat::from_fn(n, n, |i, j| match i.cmp(&j) {
                    std::cmp::Ordering::Equal => Complex64::new(a[(i, j)].re, f64::NAN),
                    order => {
                        if (order == std::cmp::Ordering::Greater) == lower {
                            a[(i, j)]
                        } else {
                            nan
                        }
                    }
                });
                let (values, v) = syev::<T>('V', uplo, &half).unwrap_or_else(|info| panic!("{name}: info {info}"));
                assert!(values.is_sorted(), "{name}");
                orthonormal::<T>(&name, v.as_ref());
                let scale = scale(a.as_ref());
                let scaled = Mat::from_fn(n, n, |i, j| v[(i, j)] * (values[j] / scale));
                let unit = Mat::from_fn(n, n, |i, j| a[(i, j)] / scale);
                close::<T>(&name, unit.as_ref(), (scaled * v.adjoint()).as_ref(), 1.0);
                let (alone, _) = syev::<T>('N', uplo, &half).unwrap();
                all.extend([values, alone]);
            }
            let column = |values: &[f64]| Mat::from_fn(n, 1, |i, _| Complex64::from(values[i]));
            let scale = scale(a.as_ref());
            for values in &all {
                close::<T>(&name, column(&all[0]).as_ref(), column(values).as_ref(), scale);
            }
        }
    }
}

/// A diagonal matrix's eigenvalues are its entries, however far apart.
fn diagonal<T: Type>() {
    let (low, high) = T::RANGE;
    let entries = [1.0, -10f64.powi(high), 10f64.powi(low), 0.0].map(|x| T::of(Complex64::from(x)).wide());
    let a = Mat::from_fn(4, 4, |i, j| if i == j { entries[i] } else { Complex64::ZERO });
    let (values, _) = syev::<T>('V', 'L', &a).unwrap();
    let expected = [entries[1].re, 0.0, entries[2].re, entries[0].re];
    for (value, expected) in values.iter().zip(expected) {
        // What is far below eps times the norm may drop out.
        assert!(
            (value - expected).abs() <= 4.0 * T::EPS * expected.abs().max(entries[1].re.abs() * 1e-16),
            "{values:?}"
        );
    }
}

fn not_finite<T: Type>() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for n in [1, 2, 40, 150] {
            let mut a = hermitian::<T>(n).swap_remove(0).1;
            a[(n - 1, n / 2)] = bad.into();
            assert!(syev::<T>('V', 'L', &a).is_err_and(|info| info > 0));
            assert!(syev::<T>('N', 'L', &a).is_err_and(|info| info > 0));
        }
    }
}

fn empty<T: Type>() {
    let (values, v) = syev::<T>('V', 'U', &Mat::zeros(0, 0)).unwrap();
    assert_eq!((values.len(), v.nrows()), (0, 0));
}

crate::each_type!(decompositions diagonal not_finite empty);
