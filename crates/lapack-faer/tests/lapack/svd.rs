use crate::matrices::{Array, close, orthonormal, rectangular, scale};
use crate::types::Type;
use faer::{Mat, MatRef};
use num_complex::Complex64;

/// What a call leaves: singular values, the matrix, U and V*.
struct Outcome {
    values: Vec<f64>,
    a: Mat<Complex64>,
    u: Mat<Complex64>,
    vt: Mat<Complex64>,
}

fn run<T: Type>(
    a: &Mat<Complex64>,
    (u_cols, vt_rows): (usize, usize),
    call: impl Fn(&mut Array<T>, *mut T::Real, &mut Array<T>, &mut Array<T>, *mut T, i32) -> i32,
) -> Result<Outcome, i32> {
    let (m, n) = a.shape();
    let (mut u, mut vt) = (Array::<T>::new(m, u_cols), Array::<T>::new(vt_rows, n));
    let mut a = Array::<T>::of(a.as_ref());
    let mut s = vec![T::Real::default(); m.min(n)];
    let mut size = T::of(Complex64::ZERO);
    assert_eq!(call(&mut a, s.as_mut_ptr(), &mut u, &mut vt, &mut size, -1), 0);
    let lwork = size.wide().re as i32;
    let mut work = vec![size; lwork as usize];
    match call(&mut a, s.as_mut_ptr(), &mut u, &mut vt, work.as_mut_ptr(), lwork) {
        0 => Ok(Outcome { values: s.into_iter().map(Into::into).collect(), a: a.mat(), u: u.mat(), vt: vt.mat() }),
        info => Err(info),
    }
}

fn gesvd<T: Type>(jobs: [char; 2], a: &Mat<Complex64>) -> Result<Outcome, i32> {
    let (m, n) = (a.nrows(), a.ncols());
    let count = |job, len| match job {
        'A' => len,
        'S' => m.min(n),
        _ => 0,
    };
    run::<T>(a, (count(jobs[0], m), count(jobs[1], n)), |a, s, u, vt, work, lwork| {
        let (ldu, ldvt) = (u.ld(), vt.ld());
        T::gesvd(jobs, m as i32, n as i32, a.ptr(), a.ld(), s, (u.ptr(), ldu), (vt.ptr(), ldvt), work, lwork)
    })
}

fn gesdd<T: Type>(job: char, a: &Mat<Complex64>) -> Result<Outcome, i32> {
    let (m, n) = (a.nrows(), a.ncols());
    let counts = match job.to_ascii_uppercase() {
        'A' => (m, n),
        'S' => (m.min(n), m.min(n)),
        'O' if m >= n => (0, n),
        'O' => (m, 0),
        _ => (0, 0),
    };
    run::<T>(a, counts, |a, s, u, vt, work, lwork| {
        let (ldu, ldvt) = (u.ld(), vt.ld());
        T::gesdd(job, m as i32, n as i32, a.ptr(), a.ld(), s, (u.ptr(), ldu), (vt.ptr(), ldvt), work, lwork)
    })
}

/// Values in order; U and V* (rows conjugated) orthonormal where there are any; A = U S V*, or what one side of it says.
fn check<T: Type>(
    name: &str,
    a: MatRef<'_, Complex64>,
    values: &[f64],
    u: Option<Mat<Complex64>>,
    vt: Option<Mat<Complex64>>,
) {
    let k = values.len();
    let scale = scale(a);
    let unit = Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] / scale);
    assert!(values.iter().rev().is_sorted() && values.iter().all(|&value| value >= 0.0), "{name}: {values:?}");
    let sigma = Mat::from_fn(k, k, |i, j| Complex64::from(if i == j { values[i] / scale } else { 0.0 }));
    let squares = &sigma * &sigma;
    if let Some(u) = &u {
        orthonormal::<T>(name, u.as_ref());
        let rows = u.subcols(0, k).adjoint() * &unit;
        close::<T>(name, squares.as_ref(), (&rows * rows.adjoint()).as_ref(), 1.0);
    }
    if let Some(vt) = &vt {
        orthonormal::<T>(name, vt.adjoint().to_owned().as_ref());
        let columns = &unit * vt.subrows(0, k).adjoint();
        close::<T>(name, squares.as_ref(), (columns.adjoint() * &columns).as_ref(), 1.0);
    }
    if let (Some(u), Some(vt)) = (u, vt) {
        close::<T>(name, unit.as_ref(), (u.subcols(0, k) * sigma * vt.subrows(0, k)).as_ref(), 1.0);
    }
}

const SHAPES: [(usize, usize); 11] =
    [(1, 1), (1, 6), (6, 1), (2, 2), (7, 7), (40, 40), (50, 35), (30, 55), (90, 12), (12, 90), (150, 145)];

fn all_jobs<T: Type>() {
    for (m, n) in SHAPES {
        let k = m.min(n);
        for (name, a) in rectangular::<T>(m, n) {
            let fail = |info| -> Outcome { panic!("{name}: info {info}") };
            let all = "ASON".chars();
            let large = k > 100;
            for jobs in all.clone().flat_map(|u| all.clone().map(move |vt| [u, vt])) {
                if jobs == ['O', 'O'] || large && jobs[0] != jobs[1] {
                    continue;
                }
                let out = gesvd::<T>(jobs, &a).unwrap_or_else(fail);
                let name = format!("{name} gesvd {jobs:?}");
                let u = match jobs[0] {
                    'N' => None,
                    'O' => Some(out.a.subcols(0, k).to_owned()),
                    _ => Some(out.u),
                };
                let vt = match jobs[1] {
                    'N' => None,
                    'O' => Some(out.a.subrows(0, k).to_owned()),
                    _ => Some(out.vt),
                };
                check::<T>(&name, a.as_ref(), &out.values, u, vt);
            }
            let reference = gesdd::<T>('N', &a).unwrap_or_else(fail).values;
            for job in all.chain("ason".chars()) {
                let out = gesdd::<T>(job, &a).unwrap_or_else(fail);
                let name = format!("{name} gesdd {job}");
                let (u, vt) = match job.to_ascii_uppercase() {
                    'N' => (None, None),
                    'O' if m >= n => (Some(out.a), Some(out.vt)),
                    'O' => (Some(out.u), Some(out.a)),
                    _ => (Some(out.u), Some(out.vt)),
                };
                check::<T>(&name, a.as_ref(), &out.values, u, vt);
                let column = |values: &[f64]| Mat::from_fn(k, 1, |i, _| Complex64::from(values[i]));
                close::<T>(&name, column(&reference).as_ref(), column(&out.values).as_ref(), scale(a.as_ref()));
            }
        }
    }
}

fn not_finite<T: Type>() {
    for bad in [f64::NAN, f64::INFINITY] {
        for (m, n) in [(1, 1), (30, 20), (9, 50), (150, 150)] {
            let mut a = rectangular::<T>(m, n).swap_remove(0).1;
            a[(m / 2, n - 1)] = bad.into();
            for job in "ASON".chars() {
                assert!(gesvd::<T>([job, 'N'], &a).is_err_and(|info| info > 0));
                assert!(gesdd::<T>(job, &a).is_err_and(|info| if bad.is_nan() { info == -4 } else { info > 0 }));
            }
        }
    }
}

fn empty<T: Type>() {
    for (m, n) in [(0, 0), (0, 4), (4, 0)] {
        let a = Mat::zeros(m, n);
        for out in [gesvd::<T>(['A', 'A'], &a), gesdd::<T>('A', &a)] {
            let out = out.unwrap_or_else(|info| panic!("info {info}"));
            check::<T>("empty", a.as_ref(), &[], Some(out.u), Some(out.vt));
        }
        assert!(gesdd::<T>('S', &a).is_ok() && gesdd::<T>('O', &a).is_ok() && gesvd::<T>(['N', 'O'], &a).is_ok());
    }
}

crate::each_type!(all_jobs not_finite empty);
