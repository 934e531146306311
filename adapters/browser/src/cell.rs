//! State of the module, of which there is one per instance.

use core::cell::UnsafeCell;

/// A static that only one thread ever sees.
pub(crate) struct Single<T>(UnsafeCell<T>);

// SAFETY: the module is built without threads, so an instance runs on one only.
unsafe impl<T> Sync for Single<T> {}

impl<T> Single<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Not to be called by `work`: no export calls another, and none calls out of the module.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: one thread, and no call within a call.
        work(unsafe { &mut *self.0.get() })
    }
}
