"""A catalogue in object storage: S3, GCS, Azure, or a directory by its URL. Imported only where there is one."""
