//! Divisors and primes of small numbers.

/// The greatest common divisor.
pub(crate) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The least common multiple of two numbers from 1 up.
pub(crate) fn lcm(a: usize, b: usize) -> usize {
    a / gcd(a, b) * b
}

/// The primes whose product is n, in rising order.
pub(crate) fn prime_factors(n: usize) -> Vec<usize> {
    let (mut rest, mut factors, mut p) = (n, Vec::new(), 2);
    while p * p <= rest {
        while rest.is_multiple_of(p) {
            factors.push(p);
            rest /= p;
        }
        p += 1;
    }
    factors.extend((rest > 1).then_some(rest));
    factors
}

/// The primes that divide n, in rising order.
pub(crate) fn prime_divisors(n: usize) -> Vec<usize> {
    let mut primes = prime_factors(n);
    primes.dedup();
    primes
}

/// (p, e), if this is p^e for a prime p and e >= 1.
pub(crate) fn prime_power(n: usize) -> Option<(usize, usize)> {
    let [p] = prime_divisors(n)[..] else { return None };
    let e = (1..).find(|&e| p.pow(e) == n)?;
    Some((p, e as usize))
}
