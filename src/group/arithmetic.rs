//! Divisors and primes of small numbers.

/// The greatest common divisor.
pub(super) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The least common multiple of two numbers from 1 up.
pub(crate) fn lcm(a: usize, b: usize) -> usize {
    a / gcd(a, b) * b
}

/// The primes that divide n, in rising order.
pub(super) fn prime_divisors(n: usize) -> Vec<usize> {
    let (mut rest, mut primes) = (n, Vec::new());
    let mut p = 2;
    while p * p <= rest {
        if rest.is_multiple_of(p) {
            primes.push(p);
            while rest.is_multiple_of(p) {
                rest /= p;
            }
        }
        p += 1;
    }
    if rest > 1 {
        primes.push(rest);
    }
    primes
}

/// (p, e), if this is p^e for a prime p and e >= 1.
pub(super) fn prime_power(n: usize) -> Option<(usize, usize)> {
    let [p] = prime_divisors(n)[..] else { return None };
    let e = (1..).find(|&e| p.pow(e) == n)?;
    Some((p, e as usize))
}
