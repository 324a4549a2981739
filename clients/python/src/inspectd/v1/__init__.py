"""The messages and services of the package `inspectd.v1`, generated from proto/inspectd/v1.

`inspectd.Client` needs none of them. They are for calls that it does not have; see `inspectd.Client.channel`.
"""
