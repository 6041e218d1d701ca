//! The four types with their routines under one name each.

use num_complex::{Complex32, Complex64};
use std::ffi::c_int;

/// A type of entries. The routines return `info`; `rwork` and `iwork` are as long as LAPACK asks.
pub trait Type: Copy + PartialEq + std::fmt::Debug {
    type Real: Copy + Into<f64> + Default;
    const EPS: f64;
    /// The decimal exponents that the tests' entries go down and up to.
    const RANGE: (i32, i32);
    const COMPLEX: bool;

    fn of(wide: Complex64) -> Self;
    fn wide(self) -> Complex64;

    #[expect(clippy::too_many_arguments)]
    fn syev(
        jobz: char,
        uplo: char,
        n: c_int,
        a: *mut Self,
        lda: c_int,
        w: *mut Self::Real,
        work: *mut Self,
        lwork: c_int,
    ) -> c_int;

    #[expect(clippy::too_many_arguments)]
    fn gesvd(
        jobs: [char; 2],
        m: c_int,
        n: c_int,
        a: *mut Self,
        lda: c_int,
        s: *mut Self::Real,
        u: (*mut Self, c_int),
        vt: (*mut Self, c_int),
        work: *mut Self,
        lwork: c_int,
    ) -> c_int;

    #[expect(clippy::too_many_arguments)]
    fn gesdd(
        jobz: char,
        m: c_int,
        n: c_int,
        a: *mut Self,
        lda: c_int,
        s: *mut Self::Real,
        u: (*mut Self, c_int),
        vt: (*mut Self, c_int),
        work: *mut Self,
        lwork: c_int,
    ) -> c_int;

    fn geqrf(m: c_int, n: c_int, a: *mut Self, lda: c_int, tau: *mut Self, work: *mut Self, lwork: c_int) -> c_int;

    fn gelqf(m: c_int, n: c_int, a: *mut Self, lda: c_int, tau: *mut Self, work: *mut Self, lwork: c_int) -> c_int;

    #[expect(clippy::too_many_arguments)]
    fn orgqr(
        m: c_int,
        n: c_int,
        k: c_int,
        a: *mut Self,
        lda: c_int,
        tau: *const Self,
        work: *mut Self,
        lwork: c_int,
    ) -> c_int;

    #[expect(clippy::too_many_arguments)]
    fn orglq(
        m: c_int,
        n: c_int,
        k: c_int,
        a: *mut Self,
        lda: c_int,
        tau: *const Self,
        work: *mut Self,
        lwork: c_int,
    ) -> c_int;
}

macro_rules! types {
    ($t:ty, $real:ty, $range:expr, $complex:expr, $of:expr, $wide:expr, $($rwork:ident)?; $syev:ident $gesvd:ident $gesdd:ident $geqrf:ident $gelqf:ident $orgqr:ident $orglq:ident) => {
        // SAFETY, of all calls: the tests pass what LAPACK's documentation asks for, or what it must refuse.
        impl Type for $t {
            type Real = $real;
            const EPS: f64 = <$real>::EPSILON as f64;
            const RANGE: (i32, i32) = $range;
            const COMPLEX: bool = $complex;

            fn of(wide: Complex64) -> Self {
                $of(wide)
            }

            fn wide(self) -> Complex64 {
                $wide(self)
            }

            fn syev(jobz: char, uplo: char, n: c_int, a: *mut Self, lda: c_int, w: *mut $real, work: *mut Self, lwork: c_int) -> c_int {
                let mut info = 99;
                $(let mut $rwork = vec![0.0; (3 * n.max(1)) as usize];)?
                let (jobz, uplo) = (jobz as std::ffi::c_char, uplo as std::ffi::c_char);
                unsafe { lapack_sys::$syev(&jobz, &uplo, &n, a.cast(), &lda, w, work.cast(), &lwork, $($rwork.as_mut_ptr(),)? &mut info) };
                info
            }

            fn gesvd(jobs: [char; 2], m: c_int, n: c_int, a: *mut Self, lda: c_int, s: *mut $real, u: (*mut Self, c_int), vt: (*mut Self, c_int), work: *mut Self, lwork: c_int) -> c_int {
                let mut info = 99;
                $(let mut $rwork = vec![0.0; (5 * m.min(n).max(1)) as usize];)?
                let jobs = jobs.map(|job| job as std::ffi::c_char);
                unsafe { lapack_sys::$gesvd(&jobs[0], &jobs[1], &m, &n, a.cast(), &lda, s, u.0.cast(), &u.1, vt.0.cast(), &vt.1, work.cast(), &lwork, $($rwork.as_mut_ptr(),)? &mut info) };
                info
            }

            fn gesdd(jobz: char, m: c_int, n: c_int, a: *mut Self, lda: c_int, s: *mut $real, u: (*mut Self, c_int), vt: (*mut Self, c_int), work: *mut Self, lwork: c_int) -> c_int {
                let mut info = 99;
                let k = m.min(n).max(1);
                $(let mut $rwork = vec![0.0; (k * (5 * k + 7).max(2 * m.max(n) + 2 * k + 1)) as usize];)?
                let mut iwork = vec![0; (8 * k) as usize];
                let jobz = jobz as std::ffi::c_char;
                unsafe { lapack_sys::$gesdd(&jobz, &m, &n, a.cast(), &lda, s, u.0.cast(), &u.1, vt.0.cast(), &vt.1, work.cast(), &lwork, $($rwork.as_mut_ptr(),)? iwork.as_mut_ptr(), &mut info) };
                info
            }

            fn geqrf(m: c_int, n: c_int, a: *mut Self, lda: c_int, tau: *mut Self, work: *mut Self, lwork: c_int) -> c_int {
                let mut info = 99;
                unsafe { lapack_sys::$geqrf(&m, &n, a.cast(), &lda, tau.cast(), work.cast(), &lwork, &mut info) };
                info
            }

            fn gelqf(m: c_int, n: c_int, a: *mut Self, lda: c_int, tau: *mut Self, work: *mut Self, lwork: c_int) -> c_int {
                let mut info = 99;
                unsafe { lapack_sys::$gelqf(&m, &n, a.cast(), &lda, tau.cast(), work.cast(), &lwork, &mut info) };
                info
            }

            fn orgqr(m: c_int, n: c_int, k: c_int, a: *mut Self, lda: c_int, tau: *const Self, work: *mut Self, lwork: c_int) -> c_int {
                let mut info = 99;
                unsafe { lapack_sys::$orgqr(&m, &n, &k, a.cast(), &lda, tau.cast(), work.cast(), &lwork, &mut info) };
                info
            }

            fn orglq(m: c_int, n: c_int, k: c_int, a: *mut Self, lda: c_int, tau: *const Self, work: *mut Self, lwork: c_int) -> c_int {
                let mut info = 99;
                unsafe { lapack_sys::$orglq(&m, &n, &k, a.cast(), &lda, tau.cast(), work.cast(), &lwork, &mut info) };
                info
            }
        }
    };
}

fn narrow(wide: Complex64) -> Complex32 {
    Complex32::new(wide.re as f32, wide.im as f32)
}

fn widen(narrow: Complex32) -> Complex64 {
    Complex64::new(narrow.re.into(), narrow.im.into())
}

types!(f32, f32, (-34, 36), false, |x: Complex64| x.re as f32, |x: f32| f64::from(x).into(),; ssyev_ sgesvd_ sgesdd_ sgeqrf_ sgelqf_ sorgqr_ sorglq_);
types!(f64, f64, (-300, 300), false, |x: Complex64| x.re, Complex64::from,; dsyev_ dgesvd_ dgesdd_ dgeqrf_ dgelqf_ dorgqr_ dorglq_);
types!(Complex32, f32, (-34, 36), true, narrow, widen, rwork; cheev_ cgesvd_ cgesdd_ cgeqrf_ cgelqf_ cungqr_ cunglq_);
types!(Complex64, f64, (-300, 300), true, |x| x, |x| x, rwork; zheev_ zgesvd_ zgesdd_ zgeqrf_ zgelqf_ zungqr_ zunglq_);
