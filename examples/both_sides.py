# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python (mirror)
#     language: python
#     name: mirror-python
# ---

# %% [markdown]
# # One notebook, two sides
#
# Run this with the kernel *Python (mirror of …)*, which is a container on this machine, or with *Driver of … (SSH)*,
# which is a process on the cluster's driver: every cell gives the same output. `is_remote()` is what tells them apart.

# %%
import sys
from importlib.metadata import version

assert is_remote() in (True, False)
{name: version(name) for name in ("numpy", "pandas", "pyarrow", "requests")} | {"python": sys.version.split()[0]}

# %% [markdown]
# ## Parameters and files
#
# `dbutils` knows the files of the machine that the kernel runs on (`file:`). DBFS, volumes and secrets come from the
# workspace, where the kernel has its credentials.

# %%
dbutils.widgets.text("rows", "12")
rows = int(dbutils.widgets.get("rows"))

dbutils.fs.put("file:/tmp/both_sides/squares.csv", "n,square\n" + "".join(f"{n},{n * n}\n" for n in range(rows)), True)
[(entry.name, entry.size) for entry in dbutils.fs.ls("file:/tmp/both_sides")]

# %%
# %%sh
head -3 /tmp/both_sides/squares.csv

# %%
import pandas

squares = pandas.read_csv("/tmp/both_sides/squares.csv")
display(squares.describe().round(2))

# %%
displayHTML(f"<b>{squares.square.sum()}</b> is the sum of the first {rows} squares.")

# %% [markdown]
# ## Spark
#
# `spark` connects when it is first used: on the driver to the cluster's own Spark, in the lab through the tunnel.

# %%
spark.createDataFrame(squares).createOrReplaceTempView("squares")
spark.table("squares").where("square > 50").count()

# %%
# %%sql
select n % 3 as remainder, sum(square) as squares from squares group by all order by remainder

# %%
_sqldf.toPandas().squares.sum() == squares.square.sum()

# %%
dbutils.fs.rm("file:/tmp/both_sides", recurse=True)
