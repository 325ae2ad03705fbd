//! What the benchmarks and fuzz targets of this repository need of the inside. Not part of the
//! API: it changes without notice.

pub mod bench;
pub mod fuzzing;
