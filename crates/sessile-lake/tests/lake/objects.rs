//! An object store in memory that does what it is told before it writes.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use sessile_lake::object_store::memory::InMemory;
use sessile_lake::object_store::path::Path;
use sessile_lake::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What happens to a write of a name.
pub(crate) enum Then {
    Write,
    /// Whatever the condition is.
    Force,
    Refuse,
    /// It is written, and the answer that says so is lost: a second try does not find what the first found.
    LoseTheAnswer,
}

type Before = Box<dyn FnMut(&str) -> Then + Send>;

pub(crate) struct Objects {
    inner: Arc<InMemory>,
    before: Mutex<Before>,
    reads: Mutex<Reads>,
}

/// Reads that were asked for and are not answered yet.
#[derive(Default)]
struct Reads {
    now: usize,
    most: usize,
}

impl Objects {
    pub(crate) fn new(
        inner: &Arc<InMemory>,
        before: impl FnMut(&str) -> Then + Send + 'static,
    ) -> Arc<Self> {
        let before: Mutex<Before> = Mutex::new(Box::new(before));
        Arc::new(Self { inner: Arc::clone(inner), before, reads: Mutex::default() })
    }

    /// How many reads waited for an answer at once, at most.
    pub(crate) fn most_reads_at_once(&self) -> usize {
        self.reads.lock().unwrap().most
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Objects")
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Objects")
    }
}

fn refused() -> Error {
    Error::Generic { store: "Objects", source: "refused".into() }
}

#[async_trait]
impl ObjectStore for Objects {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        let then = (self.before.lock().unwrap())(path.as_ref());
        match then {
            Then::Write => {}
            Then::Force => options.mode = PutMode::Overwrite,
            Then::Refuse => return Err(refused()),
            Then::LoseTheAnswer => {
                self.inner.put_opts(path, payload, options).await?;
                let path = path.to_string();
                return Err(Error::Precondition { path, source: "it is another".into() });
            }
        }
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        {
            let mut reads = self.reads.lock().unwrap();
            reads.now += 1;
            reads.most = reads.most.max(reads.now);
        }
        // An answer takes until all else that can be asked has been asked.
        tokio::task::yield_now().await;
        self.reads.lock().unwrap().now -= 1;
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
