//! The world's only source of chance: a small generator seeded by the scenario (SplitMix64,
//! Steele, Lea and Flood, OOPSLA 2014). Nothing here is fit for secrets; it repeats on purpose.

/// A repeatable generator.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator for `name` in the world of `seed`: one host's draws do not disturb another's.
    pub fn new(seed: u64, name: &str) -> Rng {
        // FNV-1a, to spread the name over the state.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ hash)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n` (0 where `n` is 0).
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }
}
