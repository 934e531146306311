//! A model world for `redial`.
