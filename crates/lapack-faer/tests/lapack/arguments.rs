//! Bad arguments are named in `info`, before anything is touched, and routines that are not there end the program.

use crate::types::Type;
use std::ptr::null_mut;

fn eigenproblems<T: Type>() {
    let call = |jobz, uplo, n, lda, lwork| {
        let mut work = [T::of(0.0.into())];
        T::syev(jobz, uplo, n, null_mut(), lda, null_mut(), work.as_mut_ptr(), lwork)
    };
    assert_eq!(call('X', 'L', 3, 3, 1), -1);
    assert_eq!(call('V', 'X', 3, 3, 1), -2);
    assert_eq!(call('V', 'L', -1, 3, 1), -3);
    assert_eq!(call('V', 'L', 3, 2, 1), -5);
    assert_eq!(call('V', 'L', 0, 0, 1), -5);
    assert_eq!(call('N', 'U', 3, 3, 0), -8);
    assert_eq!(call('N', 'U', 3, 3, -2), -8);
    assert_eq!(call('X', 'X', -1, 2, 0), -1);
    assert_eq!(call('N', 'U', 3, 3, -1), 0);
}

fn singular_values<T: Type>() {
    let call = |jobs, m, n, lda, ldu, ldvt, lwork| {
        let mut work = [T::of(0.0.into())];
        T::gesvd(
            jobs,
            m,
            n,
            null_mut(),
            lda,
            null_mut(),
            (null_mut(), ldu),
            (null_mut(), ldvt),
            work.as_mut_ptr(),
            lwork,
        )
    };
    assert_eq!(call(['X', 'A'], 3, 4, 3, 3, 4, 1), -1);
    assert_eq!(call(['A', 'X'], 3, 4, 3, 3, 4, 1), -2);
    assert_eq!(call(['O', 'O'], 3, 4, 3, 3, 4, 1), -2);
    assert_eq!(call(['A', 'A'], -3, 4, 3, 3, 4, 1), -3);
    assert_eq!(call(['A', 'A'], 3, -4, 3, 3, 4, 1), -4);
    assert_eq!(call(['A', 'A'], 3, 4, 2, 3, 4, 1), -6);
    assert_eq!(call(['S', 'A'], 3, 4, 3, 2, 4, 1), -9);
    assert_eq!(call(['N', 'A'], 3, 4, 3, 0, 4, 1), -9);
    assert_eq!(call(['A', 'A'], 3, 4, 3, 3, 3, 1), -11);
    assert_eq!(call(['A', 'S'], 3, 4, 3, 3, 2, 1), -11);
    assert_eq!(call(['A', 'A'], 3, 4, 3, 3, 4, 0), -13);
    for jobs in [['A', 'A'], ['S', 'S'], ['N', 'O']] {
        assert_eq!(call(jobs, 3, 4, 3, 3, 4, -1), 0);
    }
    assert_eq!(call(['S', 'S'], 3, 4, 3, 3, 3, -1), 0);
}

fn singular_values_by_division<T: Type>() {
    let call = |job, m, n, lda, ldu, ldvt, lwork| {
        let mut work = [T::of(0.0.into())];
        T::gesdd(
            job,
            m,
            n,
            null_mut(),
            lda,
            null_mut(),
            (null_mut(), ldu),
            (null_mut(), ldvt),
            work.as_mut_ptr(),
            lwork,
        )
    };
    assert_eq!(call('X', 3, 4, 3, 3, 4, 1), -1);
    assert_eq!(call('A', -3, 4, 3, 3, 4, 1), -2);
    assert_eq!(call('A', 3, -4, 3, 3, 4, 1), -3);
    assert_eq!(call('A', 3, 4, 2, 3, 4, 1), -5);
    assert_eq!(call('A', 3, 4, 3, 2, 4, 1), -8);
    assert_eq!(call('O', 3, 4, 3, 2, 1, 1), -8);
    assert_eq!(call('A', 3, 4, 3, 3, 3, 1), -10);
    assert_eq!(call('S', 3, 4, 3, 3, 2, 1), -10);
    assert_eq!(call('O', 4, 3, 4, 1, 2, 1), -10);
    assert_eq!(call('A', 3, 4, 3, 3, 4, 0), -12);
    for (job, m, n, ldu, ldvt) in [('A', 3, 4, 3, 4), ('S', 3, 4, 3, 3), ('O', 3, 4, 3, 1), ('O', 4, 3, 1, 3)] {
        assert_eq!(call(job, m, n, m, ldu, ldvt, -1), 0);
    }
    assert_eq!(call('N', 3, 4, 3, 1, 1, -1), 0);
}

fn factorisations<T: Type>() {
    for routine in [T::geqrf, T::gelqf] {
        let call = |m, n, lda, lwork| {
            let mut work = [T::of(0.0.into())];
            routine(m, n, null_mut(), lda, null_mut(), work.as_mut_ptr(), lwork)
        };
        assert_eq!(call(-1, 3, 3, 1), -1);
        assert_eq!(call(3, -1, 3, 1), -2);
        assert_eq!(call(3, 3, 2, 1), -4);
        assert_eq!(call(0, 3, 0, 1), -4);
        assert_eq!(call(3, 3, 3, 0), -7);
        assert_eq!(call(3, 3, 3, -1), 0);
    }
    for (lq, routine) in [(false, T::orgqr as fn(_, _, _, _, _, _, _, _) -> _), (true, T::orglq)] {
        let call = |long: i32, short: i32, k, lda, lwork| {
            let mut work = [T::of(0.0.into())];
            let (m, n) = if lq { (short, long) } else { (long, short) };
            routine(m, n, k, null_mut(), lda, std::ptr::null(), work.as_mut_ptr(), lwork)
        };
        assert_eq!(call(-1, -1, 0, 1, 1), -1);
        assert_eq!(call(3, 4, 0, 4, 1), -2);
        assert_eq!(call(4, 3, 4, 4, 1), -3);
        assert_eq!(call(4, 3, -1, 4, 1), -3);
        assert_eq!(call(4, 3, 3, if lq { 2 } else { 3 }, 1), -5);
        assert_eq!(call(4, 3, 3, 4, 0), -8);
        assert_eq!(call(4, 3, 3, 4, -1), 0);
    }
}

crate::each_type!(eigenproblems singular_values singular_values_by_division factorisations);

/// Run in a process of its own, by the test below.
#[test]
#[ignore = "ends the program"]
fn calls_what_is_not_there() {
    // SAFETY: the arguments are not looked at.
    unsafe {
        lapack_sys::dgetrf_(&0, &0, null_mut(), &1, null_mut(), &mut 0);
    }
}

#[test]
fn what_is_not_there_aborts_by_name() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "arguments::calls_what_is_not_there", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("does not implement the LAPACK routine dgetrf:"), "{message}");
}
