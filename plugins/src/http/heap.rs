//! The heap profile, in builds whose allocator has one.

use axum::http::StatusCode;

use super::error::ApiError;

/// The heap profile in `pprof`'s format. Takes longer for a larger heap.
///
/// # Errors
/// 501 if the build or the start has no profile, with what to do; 500 if it cannot be written.
#[cfg(all(feature = "heap-profile", target_os = "linux"))]
pub(super) fn profile() -> Result<Vec<u8>, ApiError> {
    let off = || {
        ApiError::new(
            StatusCode::NOT_IMPLEMENTED,
            "the heap is not profiled: start the node with MALLOC_CONF=prof:true",
        )
    };
    let control = jemalloc_pprof::PROF_CTL.as_ref().ok_or_else(off)?;
    let mut control = control.blocking_lock();
    if !control.activated() {
        return Err(off());
    }
    control.dump_pprof().map_err(|error| {
        tracing::error!(%error, "the heap's profile cannot be written");
        ApiError::internal()
    })
}

/// Says that this build has no heap profile.
#[cfg(not(all(feature = "heap-profile", target_os = "linux")))]
pub(super) fn profile() -> Result<Vec<u8>, ApiError> {
    Err(ApiError::new(
        StatusCode::NOT_IMPLEMENTED,
        "this build has no heap profile: build with `--features heap-profile` and start the node \
         with MALLOC_CONF=prof:true",
    ))
}
