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
# # Work for several processes
#
# `engines()` gives ipyparallel's client. In the lab the engines are containers of the mirrored image
# (`docker compose up -d --scale engine=2` starts two beside it); on the driver, where ipyparallel is installed there,
# they are processes that end with this notebook.

# %%
client = engines(2)
len(client.ids) >= 2

# %%
view = client[:2]
view.map_sync(lambda n: sum(i * i for i in range(n)), range(10))


# %%
def versions():
    import numpy
    import pandas

    return numpy.__version__, pandas.__version__


# Every engine has the packages that this kernel has.
view.apply_sync(versions) == [versions()] * 2

# %%
client.close()
