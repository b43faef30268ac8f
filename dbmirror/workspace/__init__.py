"""What a Databricks workspace says: profiles, clusters, their libraries, and the SSH keys they accept."""

from dbmirror.workspace.light_sdk import watch

watch()
