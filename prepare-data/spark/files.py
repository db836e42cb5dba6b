"""Files and folders of a lake or of the results, wherever Spark can open them: local, abfss:// and others."""

from __future__ import annotations

from pyspark.sql import SparkSession


class Files:
    """A folder and what is below it; paths are relative to it."""

    def __init__(self, spark: SparkSession, root: str):
        self.spark = spark
        self.root = root.rstrip("/")

    def path(self, name: str) -> str:
        return f"{self.root}/{name}".rstrip("/")

    def list(self, name: str) -> list[str]:
        """Names in a folder; none if it is missing."""
        files, at = self._open(name)
        return [status.getPath().getName() for status in files.listStatus(at)] if files.exists(at) else []

    def exists(self, name: str) -> bool:
        files, at = self._open(name)
        return files.exists(at)

    def text(self, name: str) -> str:
        files, at = self._open(name)
        stream = files.open(at)
        try:
            return self.spark._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
        finally:
            stream.close()

    def write(self, name: str, text: str) -> None:
        files, at = self._open(name)
        stream = files.create(at, True)
        try:
            stream.write(bytearray(text.encode()))
        finally:
            stream.close()

    def delete(self, name: str) -> None:
        files, at = self._open(name)
        files.delete(at, True)

    def move(self, name: str, to: str) -> None:
        """Renames a folder, which storage does at once; the target must not exist."""
        files, at = self._open(name)
        _, target = self._open(to)
        files.mkdirs(target.getParent())
        if not files.rename(at, target):
            raise OSError(f"cannot rename {self.path(name)} to {self.path(to)}")

    def _open(self, name: str):
        at = self.spark._jvm.org.apache.hadoop.fs.Path(self.path(name))
        return at.getFileSystem(self.spark._jsc.hadoopConfiguration()), at
