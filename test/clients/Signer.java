import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.PublicKey;
import java.security.Security;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.security.spec.X509EncodedKeySpec;
import java.util.Collections;

/** Signs with each private key of a PKCS#11 token and has the signature checked by Java's own providers. */
public class Signer {
    public static void main(String[] args) throws Exception {
        Provider token = Security.getProvider("SunPKCS11").configure(args[0]);
        Security.addProvider(token);
        KeyStore store = KeyStore.getInstance("PKCS11", token);
        store.load(null, System.getenv("CLIENT_PIN").toCharArray());
        int signed = 0;
        for (String alias : Collections.list(store.aliases())) {
            if (!store.isKeyEntry(alias))
                continue;
            PrivateKey key = (PrivateKey) store.getKey(alias, null);
            PublicKey held = ((X509Certificate) store.getCertificate(alias)).getPublicKey();
            PublicKey open = KeyFactory.getInstance(held.getAlgorithm())
                .generatePublic(new X509EncodedKeySpec(held.getEncoded()));
            String[] algorithms = key.getAlgorithm().equals("EC")
                ? new String[] {"SHA256withECDSA", "SHA384withECDSA"}
                : new String[] {"SHA256withRSA", "SHA512withRSA"};
            for (String algorithm : algorithms) {
                signed += sign(token, key, open, algorithm) ? 1 : 0;
                System.out.println(alias + " " + algorithm);
            }
        }
        System.out.println("signed " + signed);
    }

    private static boolean sign(Provider token, PrivateKey key, PublicKey open, String algorithm) throws Exception {
        byte[] text = "signed by Java".getBytes(StandardCharsets.UTF_8);
        Signature signer = Signature.getInstance(algorithm, token);
        signer.initSign(key);
        signer.update(text);
        byte[] signature = signer.sign();
        Signature verifier = Signature.getInstance(algorithm, key.getAlgorithm().equals("EC") ? "SunEC" : "SunRsaSign");
        verifier.initVerify(open);
        verifier.update(text);
        if (!verifier.verify(signature))
            throw new SecurityException("wrong signature: " + algorithm);
        text[0] ^= 1;
        verifier.update(text);
        if (verifier.verify(signature))
            throw new SecurityException("a signature of anything: " + algorithm);
        return true;
    }
}
