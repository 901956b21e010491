"""Delta Lake: a folder of tables, local or in an object store, loaded in one commit a run."""
