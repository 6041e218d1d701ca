//! LAPACK's symbols, with its calling convention: every argument a pointer, matrices column-major with a leading
//! dimension, letters in either case, `lwork = -1` a question for the size of `work`, and the outcome in `info`.
//!
//! `work`, `rwork` and `iwork` are not used: the answer to the question is 1, and `lwork` must be at least that.

use crate::matrix::largest;
use crate::qr::adjoint;
use crate::raw::{Scalar, read, read_triangle, write, write_values};
use crate::svd::Vectors;
use crate::{eigen, qr, svd};
use faer::{Mat, MatRef};
use std::ffi::{c_char, c_int};

/// `info` if it is not 0: -i for a bad argument i, 1 where an iteration did not converge.
type Outcome = Result<(), c_int>;

const NO_CONVERGENCE: c_int = 1;
/// `gesdd` calls a matrix with a NaN a bad argument.
const NAN_IN_A: c_int = -4;

/// The first argument that is bad, counted from 1.
fn check(arguments: &[(c_int, bool)]) -> Outcome {
    arguments.iter().find(|(_, good)| !good).map_or(Ok(()), |&(position, _)| Err(-position))
}

/// The capital of a letter. Only its first character is looked at.
///
/// # Safety
/// `letter` must be valid for reads.
unsafe fn capital(letter: *const c_char) -> u8 {
    // SAFETY: the caller's.
    (unsafe { *letter } as u8).to_ascii_uppercase()
}

/// As an index; the arguments were checked.
fn len(n: c_int) -> usize {
    n.max(0) as usize
}

/// Writes the size of `work` and says whether that was all that was asked for.
///
/// # Safety
/// `work` must be valid for writes of one entry.
unsafe fn only_asked<T: Scalar>(work: *mut T, lwork: c_int) -> bool {
    // SAFETY: the caller's.
    unsafe { work.write(T::narrow(num_traits::One::one())) };
    lwork == -1
}

fn enough(lwork: c_int) -> bool {
    lwork >= 1 || lwork == -1
}

/// Hermitian eigenproblems: `syev` and `heev`.
///
/// # Safety
/// As LAPACK's.
#[expect(clippy::too_many_arguments)]
unsafe fn syev<T: Scalar>(
    jobz: *const c_char,
    uplo: *const c_char,
    n: *const c_int,
    a: *mut T,
    lda: *const c_int,
    w: *mut T::Real,
    work: *mut T,
    lwork: *const c_int,
) -> Outcome {
    // SAFETY: the arguments are valid as LAPACK's are, and extents are checked before a matrix is touched.
    unsafe {
        let (jobz, uplo, n, lda, lwork) = (capital(jobz), capital(uplo), *n, *lda, *lwork);
        check(&[
            (1, matches!(jobz, b'N' | b'V')),
            (2, matches!(uplo, b'L' | b'U')),
            (3, n >= 0),
            (5, lda >= n.max(1)),
            (8, enough(lwork)),
        ])?;
        if only_asked(work, lwork) || n == 0 {
            return Ok(());
        }
        let (n, lda) = (len(n), len(lda));
        let lower = read_triangle(a, n, lda, uplo == b'U');
        let (values, vectors) = eigen::eigen(lower, jobz == b'V').ok_or(NO_CONVERGENCE)?;
        write_values::<T>(w, &values);
        write(a, lda, vectors.as_ref());
        Ok(())
    }
}

/// A side of a singular value decomposition: how many vectors, and the array to which they go.
struct Side<T> {
    vectors: Vectors,
    to: *mut T,
    ld: usize,
}

/// The singular value decomposition, of U and V* to where they belong; the arguments were checked.
///
/// # Safety
/// As LAPACK's.
unsafe fn write_svd<T: Scalar>(
    (m, n): (c_int, c_int),
    a: *mut T,
    lda: c_int,
    s: *mut T::Real,
    left: Side<T>,
    right: Side<T>,
) -> Outcome {
    // SAFETY: the arguments are valid as LAPACK's are.
    unsafe {
        let a = read(a, len(m), len(n), len(lda));
        let (values, (u, v)) = if m == 0 || n == 0 {
            let full = |side: &Side<T>, len| Mat::identity(len, side.vectors.count(len, 0));
            (Vec::new(), (full(&left, len(m)), full(&right, len(n))))
        } else {
            svd::svd(a, left.vectors, right.vectors).ok_or(NO_CONVERGENCE)?
        };
        write_values::<T>(s, &values);
        write(left.to, left.ld, u.as_ref());
        write(right.to, right.ld, adjoint(v.as_ref()).as_ref());
        Ok(())
    }
}

/// The singular vectors that a letter asks for.
fn vectors(job: u8) -> Vectors {
    match job {
        b'A' => Vectors::Full,
        b'S' | b'O' => Vectors::Thin,
        _ => Vectors::None,
    }
}

/// Singular values with each side's vectors as wanted: `gesvd`.
///
/// # Safety
/// As LAPACK's.
#[expect(clippy::too_many_arguments)]
unsafe fn gesvd<T: Scalar>(
    jobu: *const c_char,
    jobvt: *const c_char,
    m: *const c_int,
    n: *const c_int,
    a: *mut T,
    lda: *const c_int,
    s: *mut T::Real,
    u: *mut T,
    ldu: *const c_int,
    vt: *mut T,
    ldvt: *const c_int,
    work: *mut T,
    lwork: *const c_int,
) -> Outcome {
    // SAFETY: the arguments are valid as LAPACK's are, and extents are checked before a matrix is touched.
    unsafe {
        let (jobu, jobvt) = (capital(jobu), capital(jobvt));
        let (m, n, lda, ldu, ldvt, lwork) = (*m, *n, *lda, *ldu, *ldvt, *lwork);
        let known = |job| matches!(job, b'A' | b'S' | b'O' | b'N');
        let stored = |job| matches!(job, b'A' | b'S');
        let rows = if jobvt == b'A' { n } else { m.min(n) };
        check(&[
            (1, known(jobu)),
            (2, known(jobvt) && (jobu, jobvt) != (b'O', b'O')),
            (3, m >= 0),
            (4, n >= 0),
            (6, lda >= m.max(1)),
            (9, ldu >= 1 && (!stored(jobu) || ldu >= m)),
            (11, ldvt >= 1 && (!stored(jobvt) || ldvt >= rows)),
            (13, enough(lwork)),
        ])?;
        if only_asked(work, lwork) {
            return Ok(());
        }
        let side = |job, to, ld| {
            let (to, ld) = if job == b'O' { (a, lda) } else { (to, ld) };
            Side { vectors: vectors(job), to, ld: len(ld) }
        };
        write_svd((m, n), a, lda, s, side(jobu, u, ldu), side(jobvt, vt, ldvt))
    }
}

/// Singular values with the vectors of both sides or none: `gesdd`.
///
/// # Safety
/// As LAPACK's.
#[expect(clippy::too_many_arguments)]
unsafe fn gesdd<T: Scalar>(
    jobz: *const c_char,
    m: *const c_int,
    n: *const c_int,
    a: *mut T,
    lda: *const c_int,
    s: *mut T::Real,
    u: *mut T,
    ldu: *const c_int,
    vt: *mut T,
    ldvt: *const c_int,
    work: *mut T,
    lwork: *const c_int,
) -> Outcome {
    // SAFETY: the arguments are valid as LAPACK's are, and extents are checked before a matrix is touched.
    unsafe {
        let (job, m, n, lda, ldu, ldvt, lwork) = (capital(jobz), *m, *n, *lda, *ldu, *ldvt, *lwork);
        // `O`: the side with the longer vectors overwrites the matrix, the other is square.
        let over_u = job == b'O' && m >= n;
        let over_vt = job == b'O' && m < n;
        let rows = if job == b'S' { m.min(n) } else { n };
        check(&[
            (1, matches!(job, b'A' | b'S' | b'O' | b'N')),
            (2, m >= 0),
            (3, n >= 0),
            (5, lda >= m.max(1)),
            (8, ldu >= 1 && (job == b'N' || over_u || ldu >= m)),
            (10, ldvt >= 1 && (job == b'N' || over_vt || ldvt >= rows)),
            (12, enough(lwork)),
        ])?;
        if only_asked(work, lwork) {
            return Ok(());
        }
        if largest(read(a, len(m), len(n), len(lda)).as_ref()).is_nan() {
            return Err(NAN_IN_A);
        }
        let side = |over, to, ld| {
            let (to, ld) = if over { (a, lda) } else { (to, ld) };
            Side { vectors: vectors(job), to, ld: len(ld) }
        };
        write_svd((m, n), a, lda, s, side(over_u, u, ldu), side(over_vt, vt, ldvt))
    }
}

/// QR (`geqrf`), or LQ (`gelqf`) by the QR of the adjoint.
///
/// # Safety
/// As LAPACK's.
unsafe fn factor<T: Scalar, const ADJOINT: bool>(
    m: *const c_int,
    n: *const c_int,
    a: *mut T,
    lda: *const c_int,
    tau: *mut T,
    work: *mut T,
    lwork: *const c_int,
) -> Outcome {
    // SAFETY: the arguments are valid as LAPACK's are, and extents are checked before a matrix is touched.
    unsafe {
        let (m, n, lda, lwork) = (*m, *n, *lda, *lwork);
        check(&[(1, m >= 0), (2, n >= 0), (4, lda >= m.max(1)), (7, enough(lwork))])?;
        if only_asked(work, lwork) {
            return Ok(());
        }
        let mut matrix = read(a, len(m), len(n), len(lda));
        let factors = if ADJOINT {
            let mut flipped = adjoint(matrix.as_ref());
            let factors = qr::factor(flipped.as_mut());
            matrix = adjoint(flipped.as_ref());
            factors
        } else {
            qr::factor(matrix.as_mut())
        };
        write(a, len(lda), matrix.as_ref());
        for (i, factor) in factors.into_iter().enumerate() {
            tau.add(i).write(T::narrow(factor));
        }
        Ok(())
    }
}

/// Columns of Q (`orgqr`, `ungqr`), or rows (`orglq`, `unglq`) by the columns of the adjoint.
///
/// # Safety
/// As LAPACK's.
#[expect(clippy::too_many_arguments)]
unsafe fn generate<T: Scalar, const ADJOINT: bool>(
    m: *const c_int,
    n: *const c_int,
    k: *const c_int,
    a: *mut T,
    lda: *const c_int,
    tau: *const T,
    work: *mut T,
    lwork: *const c_int,
) -> Outcome {
    // SAFETY: the arguments are valid as LAPACK's are, and extents are checked before a matrix is touched.
    unsafe {
        let (m, n, k, lda, lwork) = (*m, *n, *k, *lda, *lwork);
        let (long, short) = if ADJOINT { (n, m) } else { (m, n) };
        check(&[
            (1, m >= 0),
            (2, n >= 0 && short <= long),
            (3, (0..=short).contains(&k)),
            (5, lda >= m.max(1)),
            (8, enough(lwork)),
        ])?;
        if only_asked(work, lwork) {
            return Ok(());
        }
        let factors: Vec<_> = (0..len(k)).map(|i| tau.add(i).read().widen()).collect();
        let matrix = read(a, len(m), len(n), len(lda));
        let generate = |a: MatRef<'_, _>| qr::multiply(a, &factors, Mat::identity(len(long), len(short)));
        let q = if ADJOINT {
            adjoint(generate(adjoint(matrix.as_ref()).as_ref()).as_ref())
        } else {
            generate(matrix.as_ref())
        };
        write(a, len(lda), q.as_ref());
        Ok(())
    }
}

/// A symbol per routine and type. What stands after `|` is workspace that the routine does not use.
macro_rules! symbols {
    ($($name:ident = $routine:ident::<$t:ty $(, $adjoint:literal)?>($($arg:ident: $arg_type:ty),* | $($rest:ident: $rest_type:ty),*);)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($arg: $arg_type,)* $($rest: $rest_type,)* info: *mut c_int) {
            $(let _ = $rest;)*
            // SAFETY: LAPACK's callers pass what the routine documents.
            unsafe { *info = $routine::<$t $(, $adjoint)?>($($arg),*).err().unwrap_or(0) }
        }
    )*};
}

/// The seven routines of one type.
macro_rules! routines {
    ($t:ty, $real:ty, $($rwork:ident)?; $syev:ident $gesvd:ident $gesdd:ident $geqrf:ident $gelqf:ident $orgqr:ident $orglq:ident) => {
        symbols! {
            $syev = syev::<$t>(jobz: *const c_char, uplo: *const c_char, n: *const c_int, a: *mut $t, lda: *const c_int,
                w: *mut $real, work: *mut $t, lwork: *const c_int | $($rwork: *mut $real)?);
            $gesvd = gesvd::<$t>(jobu: *const c_char, jobvt: *const c_char, m: *const c_int, n: *const c_int, a: *mut $t,
                lda: *const c_int, s: *mut $real, u: *mut $t, ldu: *const c_int, vt: *mut $t, ldvt: *const c_int,
                work: *mut $t, lwork: *const c_int | $($rwork: *mut $real)?);
            $gesdd = gesdd::<$t>(jobz: *const c_char, m: *const c_int, n: *const c_int, a: *mut $t, lda: *const c_int,
                s: *mut $real, u: *mut $t, ldu: *const c_int, vt: *mut $t, ldvt: *const c_int, work: *mut $t,
                lwork: *const c_int | $($rwork: *mut $real,)? iwork: *mut c_int);
            $geqrf = factor::<$t, false>(m: *const c_int, n: *const c_int, a: *mut $t, lda: *const c_int, tau: *mut $t,
                work: *mut $t, lwork: *const c_int |);
            $gelqf = factor::<$t, true>(m: *const c_int, n: *const c_int, a: *mut $t, lda: *const c_int, tau: *mut $t,
                work: *mut $t, lwork: *const c_int |);
            $orgqr = generate::<$t, false>(m: *const c_int, n: *const c_int, k: *const c_int, a: *mut $t,
                lda: *const c_int, tau: *const $t, work: *mut $t, lwork: *const c_int |);
            $orglq = generate::<$t, true>(m: *const c_int, n: *const c_int, k: *const c_int, a: *mut $t,
                lda: *const c_int, tau: *const $t, work: *mut $t, lwork: *const c_int |);
        }
    };
}

type C32 = num_complex::Complex32;
type C64 = num_complex::Complex64;

routines!(f32, f32,; ssyev_ sgesvd_ sgesdd_ sgeqrf_ sgelqf_ sorgqr_ sorglq_);
routines!(f64, f64,; dsyev_ dgesvd_ dgesdd_ dgeqrf_ dgelqf_ dorgqr_ dorglq_);
routines!(C32, f32, rwork; cheev_ cgesvd_ cgesdd_ cgeqrf_ cgelqf_ cungqr_ cunglq_);
routines!(C64, f64, rwork; zheev_ zgesvd_ zgesdd_ zgeqrf_ zgelqf_ zungqr_ zunglq_);
