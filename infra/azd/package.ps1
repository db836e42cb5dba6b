# Puts the deployment package of an app into target/package: from a release if COMMERCE_JOURNEYS_RELEASE is the URL of its
# files, otherwise built from this source, which takes Rust and Python 3.
param([Parameter(Mandatory)][string]$App)
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true
Set-Location (Join-Path $PSScriptRoot '..' '..')

if ($env:COMMERCE_JOURNEYS_RELEASE) {
  $folder = New-Item -ItemType Directory -Force 'target/package'
  foreach ($file in "$App.zip", 'SHA256SUMS') {
    Invoke-WebRequest "$env:COMMERCE_JOURNEYS_RELEASE/$file" -OutFile (Join-Path $folder $file)
  }
  $line = Get-Content (Join-Path $folder 'SHA256SUMS') | Where-Object { $_ -like "*  $App.zip" }
  $hash = (Get-FileHash (Join-Path $folder "$App.zip") -Algorithm SHA256).Hash
  if (-not $line -or $hash -ne ($line -split ' ')[0]) { throw "$App.zip does not have the checksum of the release" }
  exit 0
}

if (-not (Test-Path 'target/zig') -and -not (Get-Command cargo-zigbuild -ErrorAction SilentlyContinue)) {
  python -m venv target/zig
  target/zig/Scripts/pip install --quiet --requirement xtask/requirements.txt
}
cargo xtask package --app $App
