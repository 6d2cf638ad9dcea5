"""The revisions of the database, in a line. One that was released is never changed."""
