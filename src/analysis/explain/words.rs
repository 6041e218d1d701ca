//! An explanation as tables and in words.
