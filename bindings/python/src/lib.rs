//! The border to Python: calls by name, JSON in and out, the lock of the
//! interpreter released meanwhile. What a user sees is the package around it.

// The macros of pyo3 write code that this lint would refuse.
#![allow(unsafe_code)]

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sessile_calls::{Failure, Handle, Watcher};

/// An open store, or one state of it.
#[pyclass(frozen, module = "sessile._native")]
struct Native(Mutex<Option<Handle>>);

/// A watch over the database of a store.
#[pyclass(frozen, module = "sessile._native")]
struct NativeWatch(Mutex<Option<Arc<Watcher>>>);

/// The exception of a failure.
fn raised(py: Python<'_>, failure: &Failure) -> PyErr {
    let made = py
        .import("sessile.errors")
        .and_then(|errors| errors.call_method1("of", (failure.kind, &failure.message)));
    made.map_or_else(|err| err, PyErr::from_value)
}

fn closed() -> Failure {
    Failure { kind: "Closed", message: "the store is closed".to_owned() }
}

impl Native {
    fn of(handle: Handle) -> Self {
        Self(Mutex::new(Some(handle)))
    }

    /// Runs `body` without the lock of the interpreter.
    fn run<T: Send>(
        &self,
        py: Python<'_>,
        body: impl FnOnce(&Handle) -> Result<T, Failure> + Send,
    ) -> PyResult<T> {
        // Cloned, so that calls of several threads run at once.
        let handle = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let done = py.detach(|| match handle {
            Some(handle) => body(&handle),
            None => Err(closed()),
        });
        done.map_err(|failure| raised(py, &failure))
    }
}

#[pymethods]
impl Native {
    #[staticmethod]
    fn open(py: Python<'_>, params: &str) -> PyResult<Self> {
        let opened = py.detach(|| Handle::open(params));
        opened.map(Self::of).map_err(|failure| raised(py, &failure))
    }

    fn snapshot(&self, py: Python<'_>) -> PyResult<Self> {
        self.run(py, Handle::snapshot).map(Self::of)
    }

    fn earlier(&self, py: Python<'_>, session: i64, generation: i64) -> PyResult<Self> {
        self.run(py, |handle| handle.earlier(session, generation)).map(Self::of)
    }

    fn watch(&self, py: Python<'_>) -> PyResult<NativeWatch> {
        let watch = self.run(py, Handle::watch)?;
        Ok(NativeWatch(Mutex::new(Some(Arc::new(watch)))))
    }

    fn close(&self, py: Python<'_>) {
        let handle = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(handle));
    }

    fn call(&self, py: Python<'_>, method: &str, params: &str) -> PyResult<String> {
        self.run(py, |handle| handle.call(method, params))
    }

    fn lines<'py>(
        &self,
        py: Python<'py>,
        session: i64,
        after: u32,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let lines = self.run(py, |handle| handle.lines(session, after))?;
        Ok(lines.iter().map(|line| PyBytes::new(py, line)).collect())
    }

    #[allow(clippy::needless_pass_by_value)] // Bytes are lent for as long as the list lives.
    fn append_lines(
        &self,
        py: Python<'_>,
        session: i64,
        lines: Vec<Bound<'_, PyBytes>>,
    ) -> PyResult<Vec<u32>> {
        let lines: Vec<&[u8]> = lines.iter().map(PyBytesMethods::as_bytes).collect();
        self.run(py, |handle| handle.append_lines(session, &lines))
    }
}

#[pymethods]
impl NativeWatch {
    fn changed(&self, py: Python<'_>) -> PyResult<bool> {
        let watch = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let changed = py.detach(|| watch.map_or_else(|| Err(closed()), |watch| watch.changed()));
        changed.map_err(|failure| raised(py, &failure))
    }

    fn close(&self, py: Python<'_>) {
        let watch = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(watch));
    }
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<NativeWatch>()?;
    module.add_class::<Native>()
}
