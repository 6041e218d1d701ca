//! The other symbols that `lax` (0.18.1) refers to, so that every program links; a call ends the program with the
//! routine's name.

macro_rules! unsupported {
    ($($name:ident)*) => {$(
        // Whatever the arguments are: they are not looked at.
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> ! {
            abort(stringify!($name))
        }
    )*};
}

unsupported! {
    sgecon_ dgecon_ cgecon_ zgecon_
    sgeev_ dgeev_ cgeev_ zgeev_
    sgelsd_ dgelsd_ cgelsd_ zgelsd_
    sgetrf_ dgetrf_ cgetrf_ zgetrf_
    sgetri_ dgetri_ cgetri_ zgetri_
    sgetrs_ dgetrs_ cgetrs_ zgetrs_
    sggev_ dggev_ cggev_ zggev_
    sgtcon_ dgtcon_ cgtcon_ zgtcon_
    sgttrf_ dgttrf_ cgttrf_ zgttrf_
    sgttrs_ dgttrs_ cgttrs_ zgttrs_
    chegv_ zhegv_
    chetrf_ zhetrf_
    chetri_ zhetri_
    chetrs_ zhetrs_
    slange_ dlange_ clange_ zlange_
    spotrf_ dpotrf_ cpotrf_ zpotrf_
    spotri_ dpotri_ cpotri_ zpotri_
    spotrs_ dpotrs_ cpotrs_ zpotrs_
    ssygv_ dsygv_
    ssytrf_ dsytrf_
    ssytri_ dsytri_
    ssytrs_ dsytrs_
    strtrs_ dtrtrs_ ctrtrs_ ztrtrs_
}

fn abort(symbol: &str) -> ! {
    let routine = symbol.trim_end_matches('_');
    eprintln!(
        "irreplens-lapack does not implement the LAPACK routine {routine}: link a LAPACK in place of its symbols"
    );
    std::process::abort()
}
