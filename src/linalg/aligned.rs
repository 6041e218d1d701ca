//! Memory that begins with a cache line.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line, and of the longest vector register.
const LINE: usize = 64;

/// Numbers that begin with a cache line once there was [`room`](Self::room) made for them: rows that fill whole lines are then
/// read line by line, while an allocator leaves large memory 16 bytes behind the beginning of a line.
///
/// What came from a vector, or is a clone, lies wherever it lies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aligned {
    memory: Vec<f32>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut zeros = Self::default();
        zeros.room(len);
        zeros
    }

    /// The first `len` numbers, whatever they are.
    pub fn room(&mut self, len: usize) -> &mut [f32] {
        if self.memory.len() < self.start + len {
            self.memory = vec![0.0; len + LINE / size_of::<f32>()];
            self.start = self.memory.as_ptr().align_offset(LINE).min(LINE / size_of::<f32>());
        }
        self.len = len;
        self
    }

    /// The first `len` numbers, whatever they are, where [`into_vec`](Self::into_vec) need not copy them, aligned or not.
    pub fn room_of_vec(&mut self, len: usize) -> &mut [f32] {
        if self.start > 0 {
            *self = Self::default();
        }
        self.memory.resize(len, 0.0);
        self.len = len;
        self
    }

    /// The numbers alone, which are copied where they begin with a cache line.
    pub fn into_vec(self) -> Vec<f32> {
        if (self.start, self.len) == (0, self.memory.len()) { self.memory } else { self.to_vec() }
    }
}

/// Where the vector lies, aligned or not.
impl From<Vec<f32>> for Aligned {
    fn from(memory: Vec<f32>) -> Self {
        Self { start: 0, len: memory.len(), memory }
    }
}

impl Deref for Aligned {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory[self.start..self.start + self.len]
    }
}
